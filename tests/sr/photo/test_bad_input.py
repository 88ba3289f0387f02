"""Every kind of file that people have: each is enlarged rightly, or named in one line."""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from files import COFFEE, HEIGHT, WIDTH, coffee16, rgba, save, write_bomb
from PIL import Image

from subpixel.__main__ import main
from subpixel.sr.cli._run import run_command


@pytest.fixture
def run(capfd, monkeypatch):
    """Returns a call of the command: its exit code and what it printed."""

    def call(*arguments):
        words = ["subpixel", "upscale", "--model=bicubic", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return ended.value.code, printed.err

    return call


def damaged(path: Path, *, cut=None, flip=None, **options):
    """Saves an image, cuts the file to a part of its length, or changes the byte at a part."""
    content = bytearray(save(path, **options).read_bytes())
    if flip:
        content[int(flip * len(content))] ^= 0xFF
    path.write_bytes(content[: int(cut * len(content)) if cut else None])


def large_bmp(path: Path):
    content = bytearray(save(path).read_bytes())
    content[22:26] = (7_000_000).to_bytes(4, "little")
    path.write_bytes(content)


def animation(path: Path):
    frames = [Image.fromarray(np.roll(COFFEE, i, 1)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def tiff(values: np.ndarray, photometric="rgb", **options):
    return lambda path: tifffile.imwrite(path, values, photometric=photometric, **options)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
BAD = {
    "empty.png": (lambda path: path.write_bytes(b""), "is empty"),
    "cut.png": (partial(damaged, cut=0.5), "cannot be decoded"),
    "cut.jpg": (partial(damaged, cut=0.5), "cannot be decoded"),
    "flipped.png": (partial(damaged, flip=0.5), "cannot be decoded"),
    "cut.bmp": (partial(damaged, cut=0.2), "cannot be decoded"),
    "text.jpg": (lambda path: path.write_text("text"), "is no image of a kind that is read"),
    "zero.png": (lambda path: write_bomb(path, 0, 10), "cannot be decoded"),
    "large.bmp": (large_bmp, "has 560.0 megapixels, and at most 400 are read"),
    "bomb.png": (lambda path: write_bomb(path, 60_000, 60_000), "has 3,600.0 megapixels, and at"),
    "missing.png": (lambda path: None, "No such file or directory"),
    "dangling.png": (lambda path: path.symlink_to("nowhere.png"), "No such file or directory"),
    "loop.png": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "moving.gif": (animation, "is animated"),
    "moving.webp": (animation, "is animated"),
    "moving.png": (animation, "is animated"),
    "moving.avif": (animation, "is animated"),
    "pages.tif": (tiff(np.stack([COFFEE] * 2)), "has 2 pages"),
    "lab.tif": (tiff(COFFEE, "cielab"), "has the colour space 8 of TIFF, and grey, RGB"),
    "raw.tif": (tiff(COFFEE[..., 0], 32803), "has the colour space 32803 of TIFF, and grey, RGB"),
    "logl.tif": (tiff(coffee16()[..., 0], 32844), "has the colour space 32844 of TIFF"),
    "ycbcr.tif": (
        lambda path: Image.fromarray(COFFEE).convert("YCbCr").save(path),
        "has the colour space 6 of TIFF, and grey, RGB, palettes and JPEG are read",
    ),
    "cmyk.jpg": (
        lambda path: Image.fromarray(COFFEE).convert("CMYK").save(path),
        "has the colour space cmyk: convert it to RGB or grey",
    ),
    "five.tif": (tiff(np.dstack([rgba(), rgba()[..., :1]])), "has 5 channels"),
    "wide.tif": (tiff(COFFEE.astype(np.uint32)), "has values of the kind uint: convert them to"),
    "float64.tif": (tiff(COFFEE / 255), "has values of 64 bits: convert them to unsigned 8 or 16"),
    "signed.tif": (tiff(COFFEE.astype(np.int16)), "has values of the kind short: convert them"),
    "float.tif": (tiff(COFFEE.astype(np.float32)), "has values of the kind float: convert them"),
    "half.tif": (tiff(COFFEE.astype(np.float16)), "has values of the kind float: convert them"),
    "pipe.png": (os.mkfifo, "is not a file"),
    "pipe.mp4": (os.mkfifo, "is not a file"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "is not a file"),
    "photo.heic": (lambda path: path.write_bytes(HEIC), "photo.heic cannot be decoded"),
    os.fsdecode(b"caf\xe9.png"): (save, "has a name that is not UTF-8: rename it"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_and_the_others_are_done(name, tmp_path, run):
    make, message = BAD[name]
    make(tmp_path / name)
    good = save(tmp_path / "good.png")
    code, printed = run(tmp_path / name, good, "-o", tmp_path / "out", "--scale=2")
    assert code == 1
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert name.isascii() <= (name in line)
    assert message in line
    assert "1 enlarged, 1 failed" in printed
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def vips16(values: np.ndarray):
    height, width, bands = values.shape
    image = pyvips.Image.new_from_memory(values.tobytes(), width, height, bands, "ushort")
    image = image.copy(interpretation="rgb16" if bands > 2 else "grey16")
    return lambda path: image.write_to_file(str(path))


def array(values: np.ndarray, **options):
    return lambda path: save(path, values, **options)


def premultiplied() -> np.ndarray:
    image = rgba()
    image[..., :3] = image[..., :3] * (image[..., 3:] // 255)
    return image


IMAGE = Image.fromarray(COFFEE)
GREY, ALPHA = COFFEE[..., 0], rgba()[..., 3]
RGBA16 = np.dstack([coffee16(), ALPHA.astype(np.uint16) * 257])
BAD_EXIF = b"Exif\0\0MM\0*\xff\xff\xff\xff garbage"
GOOD = {
    "plain.png": save,
    "plain.jpg": array(COFFEE, quality=95),
    "plain.webp": array(COFFEE, quality=95),
    "plain.tif": save,
    "plain.avif": array(COFFEE, quality=95),
    "renamed.jpg": array(COFFEE, format="PNG"),
    "progressive.jpg": array(COFFEE, quality=95, subsampling=0, progressive=True),
    "broken_exif.jpg": array(COFFEE, quality=95, exif=BAD_EXIF),
    "rgb.jpg": array(COFFEE, quality=95, keep_rgb=True),
    "tiled.tif": tiff(COFFEE, tile=(32, 32)),
    "planar.tif": tiff(np.moveaxis(COFFEE, -1, 0), planarconfig="separate"),
    "white_is_zero.tif": tiff(GREY, "miniswhite"),
    "premultiplied.tif": tiff(premultiplied(), extrasamples=["assocalpha"]),
    "palette.png": IMAGE.quantize(32).save,
    "transparent_palette.png": lambda p: IMAGE.quantize(32).save(p, transparency=3),
    "grey.png": array(GREY),
    "grey.jpg": array(GREY),
    "bits.png": array(GREY > 128),
    "bits.tif": array(GREY > 128),
    "grey_alpha.png": array(np.dstack([GREY, ALPHA])),
    "rgba.png": array(rgba()),
    "rgba.webp": array(rgba(), lossless=True),
    "rgba.tif": array(rgba()),
    "rgb16.png": vips16(coffee16()),
    "rgb16.tif": vips16(coffee16()),
    "rgba16.png": vips16(RGBA16),
    "grey16.png": vips16(coffee16()[..., :1]),
    # A still GIF and BMP become PNG.
    "plain.bmp": save,
    "grey.bmp": array(GREY),
    "still.gif": IMAGE.quantize(64).save,
    f"{'long' * 62}.PNG": save,
    "name with spaces.png": save,
    "new\nline.png": save,
    "déjà vu 写真.jpg": array(COFFEE, quality=95),
}


def pixels(path: Path) -> np.ndarray:
    if path.suffix == ".bmp":
        values = np.asarray(Image.open(path))
    else:
        values = pyvips.Image.new_from_file(str(path)).numpy()
    return values if values.ndim == 3 else values[..., None]


@pytest.mark.parametrize("name", GOOD)
def test_good_file_keeps_its_kind_and_its_colours(name, tmp_path, run):
    GOOD[name](tmp_path / name)
    target = tmp_path / "out" / name.replace(".bmp", ".png").replace(".gif", ".png")
    code, printed = run(tmp_path / name, "-o", tmp_path / "out", "--scale=2", "--quality=100")
    assert code == 0, printed
    assert printed.rstrip().endswith(f"has {2 * WIDTH}x{2 * HEIGHT}")
    before, after = pixels(tmp_path / name), pixels(target)
    channels, dtype = before.shape[2], before.dtype
    assert (after.shape, after.dtype) == ((2 * HEIGHT, 2 * WIDTH, channels), dtype)
    # Shrunk by the mean of 2x2, bicubic gives nearly what was there.
    peak = np.iinfo(dtype).max
    mean = after.reshape(HEIGHT, 2, WIDTH, 2, channels).mean(axis=(1, 3)) / peak
    before = before.astype(np.float64) / peak
    error = np.abs(mean - before)
    if channels in (2, 4):
        error = error[before[..., -1] == 1]
    assert error.mean() < (0.1 if "bits" in name else 0.02)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (40, 1), (2, 3), (1, 65_500)])
def test_smallest_and_longest_images(height, width, tmp_path, run):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    save(tmp_path / "a.png", values)
    code, printed = run(tmp_path / "a.png", "-o", tmp_path / "b.png", "--scale=2")
    assert code == 0, printed
    assert pixels(tmp_path / "b.png").shape == (2 * height, 2 * width, 3)


def test_a_result_wider_than_its_format_is_refused_before_work(tmp_path, run):
    save(tmp_path / "a.jpg", np.zeros((2, 65_500, 3), np.uint8))
    code, printed = run(tmp_path / "a.jpg", "-o", tmp_path / "out")
    assert code == 1
    assert "196500x6 is larger than JPEG can be, 65535 pixels a side" in printed


@pytest.mark.parametrize("name", ["a.bmp", "a.tif"])
def test_pillows_limit_of_pixels_does_not_refuse_a_file_within_ours(
    name, tmp_path, monkeypatch, run
):
    exif = Image.Exif()
    exif[271] = "Canon"
    IMAGE.save(tmp_path / name, exif=exif)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH // 4)
    code, printed = run(tmp_path / name, "-o", tmp_path / "out", "--scale=2")
    monkeypatch.undo()
    assert code == 0, printed
    (target,) = (tmp_path / "out").iterdir()
    with Image.open(target) as result:
        assert result.size == (2 * WIDTH, 2 * HEIGHT)
        assert result.getexif().get(271) == ("Canon" if name == "a.tif" else None)
