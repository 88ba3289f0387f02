"""Saves the images of a measurement: enlarged images and error maps."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from subpixel.sr._support.files import write_bytes
from subpixel.sr.evaluation.scores import Measured
from subpixel.sr.inference.upscaler import Upscaler

# Errors of this many grey levels and more have the brightest colour, in every map.
BRIGHTEST = 48


def image_folder(root: Path, benchmark: str) -> Path:
    """Returns the folder of a benchmark's images."""
    # The names of embedded sets hold a colon, which not every system allows in file names.
    return root / benchmark.replace(":", "_")


def save_images(
    images: Path | None,
    error_maps: Path | None,
    benchmark: str,
    suffix: str,
    upscaler: Upscaler,
    measured: Measured,
) -> None:
    """Writes an enlarged image and its error map as PNG.

    The enlarged image has the pixels that `subpixel upscale` gives in colour: scores have roundings
    of their protocol, which an image that is looked at does not have. The error map has the
    absolute error of the measured channels; for RGB the mean over them. Black is no error; colours
    are Matplotlib's "inferno", and a colour means the same error in every map: see `BRIGHTEST`.
    """
    name = f"{measured.image}{suffix}.png"
    if images is not None:
        colour = measured.lr.shape[-1] == 3
        pixels = np.asarray(upscaler.image(measured.lr) if colour else measured.output)
        _save(image_folder(images, benchmark) / name, pixels)
    if error_maps is not None:
        difference = measured.output.astype(np.float32) - measured.reference.astype(np.float32)
        error = np.abs(difference).mean(axis=-1)
        colours = matplotlib.colormaps["inferno"](np.minimum(error / BRIGHTEST, 1), bytes=True)
        _save(image_folder(error_maps, benchmark) / name, colours[..., :3])


def _save(path: Path, pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG")
    write_bytes(path, content.getvalue())
