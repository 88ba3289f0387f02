"""Makes the images in docs/: `python docs/pictures.py [upscale] [video] [export]`.

Without a name it makes all. The photographs are coffee (CC0) and chelsea (CC0) of scikit-image.
"""

import io
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import onnx
from matplotlib.axes import Axes
from PIL import Image
from skimage import data

import subpixel.sr
from subpixel.image import imresize, rgb_to_luma
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.find import find_model
from subpixel.sr.photo.engine import DEFAULT_MODEL, find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.video import upscale_video

DOCS = Path(__file__).parent
SCALE = 3
GAP = 8


def beside(*images: np.ndarray) -> Image.Image:
    """Returns images of one height side by side, with a white gap."""
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for image in images for part in (gap, image)][1:]
    return Image.fromarray(np.concatenate(parts, axis=1))


def photograph() -> Image.Image:
    """Returns a small crop enlarged in three ways: pixels as squares, bicubic, and the network."""
    lr = imresize(data.coffee()[20:392, 90:540], 1 / 2)[30:130, 70:180]
    squares = lr.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    bicubic = subpixel.sr.upscale(lr, "bicubic", scale=SCALE)
    network = subpixel.sr.upscale(lr, DEFAULT_MODEL, scale=SCALE)
    return beside(squares, bicubic, network)


def clip() -> Image.Image:
    """Returns one frame of a clip, its pixels as squares, beside that of the enlarged clip."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.mp4"), Path(folder, "large.mp4")
        _write_clip(small)
        settings = Settings(find_models(DEFAULT_MODEL))
        upscale_video(small, large, settings)
        before, after = (_frame(path, 6) for path in (small, large))
    squares = before.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    return beside(squares, after)


def _write_clip(path: Path) -> None:
    photo = imresize(data.chelsea(), 1 / 2)
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=12, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 112, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 12)
        for i in range(12):
            values = np.ascontiguousarray(photo[20:132, 2 * i + 20 : 2 * i + 180])
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 12)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))


def _frame(path: Path, number: int) -> np.ndarray:
    with av.open(str(path)) as source:
        for i, frame in enumerate(source.decode(source.streams.video[0])):
            if i == number:
                return frame.to_ndarray(format="rgb24")
    raise ValueError(f"{path} has no frame {number}")


def graphs() -> Image.Image:
    """Returns the operators of two ONNX files of one network, and what each file computes."""
    luma = rgb_to_luma(imresize(data.coffee()[60:320, 150:450], 1 / 2)) / np.float32(255)
    name = f"{DEFAULT_MODEL}_x{SCALE}"
    model = find_model(name)
    figure, axes = plt.subplots(
        1, 4, figsize=(10, 3.6), width_ratios=(1, 2, 1, 2), layout="constrained"
    )
    for (chain, output), layout in zip(
        axes.reshape(2, 2), ("subpixel", "conv_transpose"), strict=True
    ):
        content, _ = onnx_bytes(model, Choices(layout=layout))
        _draw_chain(chain, [node.op_type for node in onnx.load_from_string(content).graph.node])
        image = OnnxNetwork(content)(luma[None])[0, ..., 0]
        output.imshow(image, "gray", vmin=0, vmax=1)
        output.set_title(f"--layout={layout}", family="monospace", fontsize=10)
        output.axis("off")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return Image.open(content).convert("RGB")


def _draw_chain(axes: Axes, operators: list[str]) -> None:
    """Draws operators below each other; those that change the size are filled."""
    axes.axis("off")
    axes.set(xlim=(-1, 1), ylim=(-12, 1))
    for i, name in enumerate(operators):
        fill = "#ffd9a0" if name in ("DepthToSpace", "ConvTranspose") else "white"
        box = {"boxstyle": "round", "facecolor": fill, "edgecolor": "#555555"}
        axes.text(0, -i, name, ha="center", va="center", fontsize=9, bbox=box)


IMAGES = {"upscale": photograph, "video": clip, "export": graphs}

if __name__ == "__main__":
    for name in sys.argv[1:] or IMAGES:
        IMAGES[name]().save(DOCS / f"{name}.webp", quality=90)
