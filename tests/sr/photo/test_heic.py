"""HEIC files of telephones become JPEG with all that they state; without pillow-heif, one line."""

import sys

import numpy as np
import pillow_heif
import pytest
import pyvips
from files import COFFEE, HEIGHT, WIDTH, coffee16, enlarge, read_pixels, rgba
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo import reading
from subpixel.sr.photo.reading import open_photograph

MODES = {(3, 8): "RGB", (4, 8): "RGBA", (3, 16): "RGB;16"}
# Without loss: quality -1, no subsampling, and RGB as it is.
LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def write(path, values, mode=None, **options):
    """Encodes an array without loss."""
    height, width, bands = values.shape
    mode = mode or MODES[bands, 8 * values.itemsize]
    image = pillow_heif.from_bytes(mode, (width, height), values.tobytes())
    image.save(path, **LOSSLESS, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[271], tags[274] = "Maker", orientation
    tags.get_ifd(0x8825)[1] = "N"
    return tags.tobytes()


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "renamed.jpg"])
def test_pixels_are_read_exactly_by_content(name, tmp_path):
    path = tmp_path / name
    write(tmp_path / "written.heic", COFFEE).rename(path)
    np.testing.assert_array_equal(np.rint(read_pixels(path) * 255), COFFEE)


def test_ten_bits_become_eight_with_a_word(tmp_path):
    ten = coffee16() >> 6
    ten[0, 0] = (0, 512, 1023)
    source = write(tmp_path / "a.heic", ten << 6)
    np.testing.assert_allclose(read_pixels(source), ten / 1023, atol=1 / 255)
    assert enlarge(source, tmp_path / "b.png") == ["10 bits became 8"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_orientation_exif_xmp_and_profile_are_kept(suffix, tmp_path):
    profile = pyvips.Operation.call("profile_load", "p3")
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a b='c'/></x:xmpmeta>"
    stated = {"exif": exif(6), "xmp": xmp, "icc_profile": profile}
    source = write(tmp_path / "a.heic", np.rot90(COFFEE).copy(), **stated)
    target = tmp_path / f"b.{suffix}"
    assert enlarge(source, target) == []
    with Image.open(target) as result:
        assert result.size == (2 * WIDTH, 2 * HEIGHT)
        tags = result.getexif()
        assert tags[271] == "Maker"
        assert tags.get(274, 1) == 1
        assert tags.get_ifd(0x8825)[1] == "N"
        assert result.info["icc_profile"] == profile
        mean = np.asarray(result).reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))
    assert pyvips.Image.new_from_file(str(target)).get("xmp-data") == xmp
    assert np.abs(mean - COFFEE).mean() < 5


def test_transparency_is_enlarged_in_png_and_refused_in_jpeg(tmp_path):
    source = write(tmp_path / "a.heic", rgba())
    enlarge(source, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as result:
        assert result.mode == "RGBA"
    with pytest.raises(InputError, match="has transparency, which JPEG does not hold: write PNG"):
        enlarge(source, tmp_path / "b.jpg")


def test_premultiplied_colours_become_plain(tmp_path):
    values = np.dstack([COFFEE // 2, np.full((HEIGHT, WIDTH), 128, np.uint8)])
    read = 255 * read_pixels(write(tmp_path / "a.heic", values, "RGBa"))
    np.testing.assert_allclose(read[..., :3], values[..., :3] * 255.0 / 128, atol=1)
    assert (read[..., 3] == 128).all()


def test_colours_that_are_stated_by_a_code_get_a_profile_or_are_refused(tmp_path):
    for primaries, has_profile in ((1, False), (12, True)):
        path = write(tmp_path / "a.heic", COFFEE, color_primaries=primaries)
        assert bool(open_photograph(path).image.get_typeof("icc-profile-data")) == has_profile
    for codes in ({"transfer_characteristics": 16}, {"color_primaries": 9}):
        path = write(tmp_path / "a.heic", COFFEE, **codes)
        with pytest.raises(InputError, match=r"a\.heic has the colours of HDR video .* convert"):
            open_photograph(path)


def cut(path):
    write(path, COFFEE).write_bytes(path.read_bytes()[:-2000])


def two_images(path):
    several = pillow_heif.from_pillow(Image.fromarray(COFFEE))
    several.add_from_pillow(Image.fromarray(COFFEE))
    several.save(path)


@pytest.mark.parametrize(
    ("make", "module", "limit", "message"),
    [
        (cut, "", 400, "cannot be decoded .* copy it again"),
        (two_images, "", 400, "has 2 images: save them as single files"),
        (write, "", 0.001, r"has 0\.0 megapixels, and at most 0\.001 are read"),
        (write, "pillow_heif", 400, r"is HEIC, which needs the package .*\[heic\]"),
    ],
)
def test_what_is_not_read_is_named(make, module, limit, message, tmp_path, monkeypatch):
    make(tmp_path / "a.heic", *[COFFEE] * (make is write))
    monkeypatch.setattr(reading, "MAX_MEGAPIXELS", limit)
    if module:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"a\.heic {message}"):
        open_photograph(tmp_path / "a.heic")
