"""Every kind of file that people have: each is enlarged rightly, or named in one line."""

import os
import sys
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


def empty(path: Path):
    path.write_bytes(b"")


def large_bmp(path: Path):
    save(path)
    content = bytearray(path.read_bytes())
    content[22:26] = (7_000_000).to_bytes(4, "little")
    path.write_bytes(content)


def cut_png(path: Path):
    save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_jpeg(path: Path):
    save(path, quality=90)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped_png(path: Path):
    save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_bmp(path: Path):
    save(path)
    path.write_bytes(path.read_bytes()[:2000])


def text(path: Path):
    path.write_text("not an image")


def zero_sized(path: Path):
    write_bomb(path, 0, 10)


def bomb(path: Path):
    write_bomb(path, 60_000, 60_000)


def nothing(path: Path):
    del path


def dangling(path: Path):
    path.symlink_to("nowhere.png")


def loop(path: Path):
    path.symlink_to(path.name)


def animation(path: Path):
    frames = [Image.fromarray(np.roll(COFFEE, i, 1)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def pages(path: Path):
    tifffile.imwrite(path, np.stack([COFFEE] * 2), photometric="rgb")


def float_beyond(path: Path):
    tifffile.imwrite(path, COFFEE.astype(np.float32), photometric="rgb")


def lab(path: Path):
    tifffile.imwrite(path, COFFEE, photometric="cielab")


def five_channels(path: Path):
    tifffile.imwrite(path, np.dstack([rgba(), rgba()[..., :1]]), photometric="rgb")


def unsigned32(path: Path):
    tifffile.imwrite(path, COFFEE.astype(np.uint32), photometric="rgb")


def float64(path: Path):
    tifffile.imwrite(path, COFFEE / 255, photometric="rgb")


def signed(path: Path):
    tifffile.imwrite(path, COFFEE.astype(np.int16), photometric="rgb")


def pipe(path: Path):
    os.mkfifo(path)


def device(path: Path):
    path.symlink_to("/dev/zero")


def not_a_number(path: Path):
    values = COFFEE.astype(np.float32) / 255
    values[3, 4, 1] = np.nan
    tifffile.imwrite(path, values, photometric="rgb")


def raw_ycbcr(path: Path):
    Image.fromarray(COFFEE).convert("YCbCr").save(path)


def heic(path: Path):
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))


BAD = {
    "empty.png": (empty, "is empty"),
    "cut.png": (cut_png, "cannot be decoded"),
    "cut.jpg": (cut_jpeg, "cannot be decoded"),
    "flipped.png": (flipped_png, "cannot be decoded"),
    "cut.bmp": (cut_bmp, "cannot be decoded"),
    "text.jpg": (text, "is no image of a kind that is read"),
    "zero.png": (zero_sized, "cannot be decoded"),
    "large.bmp": (large_bmp, "has 560.0 megapixels, and at most 400 are read"),
    "bomb.png": (bomb, "has 3,600.0 megapixels, and at most 400 are read"),
    "missing.png": (nothing, "does not exist"),
    "dangling.png": (dangling, "is a link that leads nowhere"),
    "loop.png": (loop, "link"),
    "moving.gif": (animation, "is animated, with 3 frames"),
    "moving.webp": (animation, "is animated, with 3 frames"),
    "moving.png": (animation, "is animated"),
    "pages.tif": (pages, "has 2 pages"),
    "beyond.tif": (float_beyond, "has floating-point values from"),
    "lab.tif": (lab, "has the colour space CIELab: convert it to RGB or grey"),
    "five.tif": (five_channels, "has 5 channels"),
    "wide.tif": (unsigned32, "has values of the kind uint"),
    "float64.tif": (float64, "has values of the kind float64: convert them to unsigned 8 or 16"),
    "signed.tif": (signed, "has values of the kind int16: convert them"),
    "moving.avif": (animation, "is animated"),
    "pipe.png": (pipe, "is not a file"),
    "device.png": (device, "is not a file"),
    "nan.tif": (not_a_number, "has values that are not a number (NaN)"),
    "ycbcr.tif": (raw_ycbcr, "holds YCbCr without JPEG compression"),
    "photo.heic": (heic, "photo.heic"),
    "pipe.mp4": (pipe, "is not a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_and_the_others_are_done(name, tmp_path, run):
    make, message = BAD[name]
    make(tmp_path / name)
    good = save(tmp_path / "good.png")
    code, printed = run(tmp_path / name, good, "-o", tmp_path / "out", "--scale=2")
    assert code == 1
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert name in line
    assert message in line
    assert "1 enlarged, 1 failed" in printed
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_a_name_that_is_not_utf8_is_named(tmp_path, run):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(save(tmp_path / "good.png").read_bytes())
    code, printed = run(tmp_path, "-o", tmp_path / "out")
    assert code == 1
    assert "has a name that is not UTF-8: rename it" in printed
    assert "1 enlarged, 1 failed" in printed


def grey_alpha(path: Path):
    save(path, np.dstack([COFFEE[..., 0], rgba()[..., 3]]))


def one_bit(path: Path):
    Image.fromarray(COFFEE[..., 0] > 128).save(path)


def palette(path: Path):
    Image.fromarray(COFFEE).quantize(32).save(path)


def transparent_palette(path: Path):
    image = Image.fromarray(COFFEE).quantize(32)
    image.save(path, transparency=3)


def vips16(path: Path, values: np.ndarray):
    height, width, bands = values.shape
    image = pyvips.Image.new_from_memory(values.tobytes(), width, height, bands, "ushort")
    image.copy(interpretation="rgb16" if bands > 2 else "grey16").write_to_file(str(path))


def rgba16(path: Path):
    vips16(path, np.dstack([coffee16(), rgba()[..., 3].astype(np.uint16) * 257]))


def grey16(path: Path):
    vips16(path, coffee16()[..., :1])


def rgb16(path: Path):
    vips16(path, coffee16())


def float_unit(path: Path):
    tifffile.imwrite(path, COFFEE.astype(np.float32) / 255, photometric="rgb")


def tiled(path: Path):
    tifffile.imwrite(path, COFFEE, photometric="rgb", tile=(32, 32))


def renamed(path: Path):
    save(path, format="PNG")


def planar(path: Path):
    tifffile.imwrite(path, np.moveaxis(COFFEE, -1, 0), photometric="rgb", planarconfig="separate")


def white_is_zero(path: Path):
    tifffile.imwrite(path, COFFEE[..., 0], photometric="miniswhite")


def premultiplied(path: Path):
    image = rgba()
    image[..., :3] = image[..., :3] * (image[..., 3:] // 255)
    tifffile.imwrite(path, image, photometric="rgb", extrasamples=["assocalpha"])


def stored_as_rgb(path: Path):
    save(path, quality=95, keep_rgb=True)


def progressive(path: Path):
    save(path, quality=95, subsampling=0, progressive=True)


def plain(path: Path):
    save(path, **({"quality": 95} if path.suffix in (".jpg", ".webp", ".avif") else {}))


def grey(path: Path):
    save(path, COFFEE[..., 0])


def transparent(path: Path):
    save(path, rgba(), **({"lossless": True} if path.suffix == ".webp" else {}))


def broken_exif(path: Path):
    save(path, quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")


def still_gif(path: Path):
    Image.fromarray(COFFEE).quantize(64).save(path)


GOOD = {
    "plain.png": (plain, (3, np.uint8)),
    "plain.jpg": (plain, (3, np.uint8)),
    "plain.webp": (plain, (3, np.uint8)),
    "plain.tif": (plain, (3, np.uint8)),
    "plain.bmp": (plain, (3, np.uint8)),
    "plain.avif": (plain, (3, np.uint8)),
    "renamed.jpg": (renamed, (3, np.uint8)),
    "progressive.jpg": (progressive, (3, np.uint8)),
    "broken_exif.jpg": (broken_exif, (3, np.uint8)),
    "tiled.tif": (tiled, (3, np.uint8)),
    "palette.png": (palette, (3, np.uint8)),
    "transparent_palette.png": (transparent_palette, (4, np.uint8)),
    "grey.png": (grey, (1, np.uint8)),
    "grey.jpg": (grey, (1, np.uint8)),
    "grey.bmp": (grey, (1, np.uint8)),
    "bits.png": (one_bit, (1, np.uint8)),
    "bits.tif": (one_bit, (1, np.uint8)),
    "grey_alpha.png": (grey_alpha, (2, np.uint8)),
    "rgba.png": (transparent, (4, np.uint8)),
    "rgba.webp": (transparent, (4, np.uint8)),
    "rgba.tif": (transparent, (4, np.uint8)),
    "rgb16.png": (rgb16, (3, np.uint16)),
    "rgb16.tif": (rgb16, (3, np.uint16)),
    "rgba16.png": (rgba16, (4, np.uint16)),
    "grey16.png": (grey16, (1, np.uint16)),
    "unit.tif": (float_unit, (3, np.float32)),
    "planar.tif": (planar, (3, np.uint8)),
    "white_is_zero.tif": (white_is_zero, (1, np.uint8)),
    "premultiplied.tif": (premultiplied, (4, np.uint8)),
    "rgb.jpg": (stored_as_rgb, (3, np.uint8)),
    f"{'long' * 62}.PNG": (plain, (3, np.uint8)),
    "name with spaces.png": (plain, (3, np.uint8)),
    "new\nline.png": (plain, (3, np.uint8)),
    "déjà vu 写真.jpg": (plain, (3, np.uint8)),
}


def pixels(path: Path) -> np.ndarray:
    if path.suffix == ".bmp":
        values = np.asarray(Image.open(path))
    else:
        values = pyvips.Image.new_from_file(str(path)).numpy()
    return values if values.ndim == 3 else values[..., None]


@pytest.mark.parametrize("name", GOOD)
def test_good_file_keeps_its_kind_and_its_colours(name, tmp_path, run):
    make, (channels, dtype) = GOOD[name]
    make(tmp_path / name)
    target = tmp_path / "out" / name
    code, printed = run(tmp_path / name, "-o", tmp_path / "out", "--scale=2", "--quality=100")
    assert code == 0, printed
    before, after = pixels(tmp_path / name), pixels(target)
    assert after.shape == (2 * HEIGHT, 2 * WIDTH, channels)
    assert after.dtype == dtype
    # Shrunk by the mean of 2x2, bicubic gives nearly what was there.
    peak = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    mean = after.reshape(HEIGHT, 2, WIDTH, 2, channels).mean(axis=(1, 3)) / peak
    before = before.astype(np.float64) / (255 if before.dtype == np.uint8 else peak)
    error = np.abs(mean - before)
    if channels in (2, 4):
        visible = before[..., -1] == 1
        assert (after[..., -1].reshape(HEIGHT, 2, WIDTH, 2).min(axis=(1, 3))[5:, 5:] >= 0).all()
        error = error[visible]
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


def test_still_gif_becomes_png(tmp_path, run):
    still_gif(tmp_path / "a.gif")
    code, _ = run(tmp_path / "a.gif", "-o", tmp_path / "out")
    assert code == 0
    assert pixels(tmp_path / "out/a.png").shape == (3 * HEIGHT, 3 * WIDTH, 3)


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_becomes_srgb_with_a_word(adobe, tmp_path, run):
    cmyk = Image.fromarray(COFFEE).convert("CMYK")
    cmyk.save(tmp_path / "a.jpg", quality=95)
    if not adobe:
        content = (tmp_path / "a.jpg").read_bytes()
        at = content.index(b"\xff\xee")
        length = int.from_bytes(content[at + 2 : at + 4]) + 2
        stripped = content[:at] + content[at + length :]
        (tmp_path / "a.jpg").write_bytes(stripped)
    code, printed = run(tmp_path / "a.jpg", "-o", tmp_path / "out", "--scale=2")
    assert code == 0, printed
    assert "CMYK converted to sRGB by a general colour profile" in printed
    result = Image.open(tmp_path / "out/a.jpg")
    assert result.mode == "RGB"
    # Pillow's formula without a profile is only near, and says whether the inks were inverted.
    mean = np.asarray(result).mean()
    assert abs(mean - COFFEE.mean()) < 40


@pytest.mark.parametrize("name", ["a.bmp", "a.tif"])
def test_pillows_limit_of_pixels_does_not_refuse_a_file_within_ours(
    name, tmp_path, monkeypatch, run
):
    exif = Image.Exif()
    exif[271] = "Canon"
    Image.fromarray(COFFEE).save(tmp_path / name, exif=exif)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH // 4)
    code, printed = run(tmp_path / name, "-o", tmp_path / "out", "--scale=2")
    monkeypatch.undo()
    assert code == 0, printed
    with Image.open(tmp_path / "out" / name) as result:
        assert result.size == (2 * WIDTH, 2 * HEIGHT)
        assert result.getexif().get(271) == ("Canon" if name == "a.tif" else None)
