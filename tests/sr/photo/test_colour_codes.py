"""Colours that AVIF, PNG and JPEG state without a profile are kept, noted, or refused in a line."""

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from files import COFFEE
from PIL import Image, ImageCms

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings, upscale_photograph
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.reading import open_photograph

# The points of white, red, green and blue in cHRM.
BT709 = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE_RGB = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
SRGB, PQ, P3, LINEAR = (1, 13), (9, 16), (12, 13), (1, 8)
DISPLAY_P3 = pyvips.Operation.call("profile_load", "p3")


def avif(path, codes, **options):
    """Encodes an AVIF and writes other code points into its box "colr"."""
    content = io.BytesIO()
    Image.fromarray(COFFEE).save(content, "AVIF", **options)
    encoded = bytearray(content.getvalue())
    if not options:
        struct.pack_into(">HH", encoded, encoded.index(b"colrnclx") + 8, *codes)
    path.write_bytes(encoded)
    return path


def png(path, *chunks, **options):
    """Encodes a PNG with further chunks behind its header."""
    content = io.BytesIO()
    Image.fromarray(COFFEE).save(content, "PNG", **options)
    encoded = content.getvalue()
    blocks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    # The signature has 8 bytes, the chunk IHDR 25.
    path.write_bytes(encoded[:33] + b"".join(blocks) + encoded[33:])
    return path


def cicp(codes):
    return b"cICP", bytes([*codes, 0, 1])


def stating(path, codes):
    return avif(path, codes) if path.suffix == ".avif" else png(path, cicp(codes))


def enlarge(path, target):
    notes = upscale_photograph(path, target, Settings(find_models("bicubic"), Size(scale=2)))
    with Image.open(target) as result:
        return result.info, notes


@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_display_p3_becomes_a_profile(name, tmp_path):
    result, notes = enlarge(stating(tmp_path / name, P3), tmp_path / f"result_{name}")
    assert result["icc_profile"] == DISPLAY_P3
    assert notes == []


@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_srgb_stays_without_a_profile(name, tmp_path):
    result, notes = enlarge(stating(tmp_path / name, SRGB), tmp_path / f"result_{name}")
    assert "icc_profile" not in result
    assert notes == []


@pytest.mark.parametrize("codes", [PQ, LINEAR])
@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_other_colours_are_refused(name, codes, tmp_path):
    with pytest.raises(InputError, match=rf"primaries {codes[0]}, transfer {codes[1]} of ITU-T"):
        open_photograph(stating(tmp_path / name, codes))


@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_a_profile_comes_before_code_points(name, tmp_path):
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / name
    if path.suffix == ".avif":
        avif(path, P3, icc_profile=own)
    else:
        png(path, cicp(P3), icc_profile=own)
    assert enlarge(path, tmp_path / f"result_{name}")[0]["icc_profile"] == own


@pytest.mark.parametrize(
    ("chunks", "noted"),
    [
        ([(b"gAMA", struct.pack(">I", 45455))], False),
        ([(b"gAMA", struct.pack(">I", 100000))], True),
        ([(b"gAMA", struct.pack(">I", 100000)), (b"sRGB", bytes(1))], False),
        (
            [(b"cHRM", struct.pack(">8I", *BT709))],
            False,
        ),
        (
            [(b"cHRM", struct.pack(">8I", *ADOBE_RGB))],
            True,
        ),
    ],
)
def test_gamma_and_primaries_of_png_are_noted(chunks, noted, tmp_path):
    _, notes = enlarge(png(tmp_path / "a.png", *chunks), tmp_path / "result.png")
    assert notes == ["gamma and primaries of the PNG are left out: it is taken for sRGB"] * noted


def test_an_avif_without_code_points_is_read(tmp_path):
    path = avif(tmp_path / "a.avif", SRGB)
    path.write_bytes(path.read_bytes().replace(b"colrnclx", b"freenclx"))
    assert open_photograph(path).image.get_typeof("icc-profile-data") == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_adobe_rgb_of_a_camera_stays(suffix, tmp_path):
    tags = Image.Exif()
    tags.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {1: "R03"}})
    Image.fromarray(COFFEE).save(tmp_path / "a.jpg", exif=tags)
    enlarge(tmp_path / "a.jpg", tmp_path / f"b.{suffix}")
    # From TIFF as well, whose directories lie elsewhere in the file.
    if suffix == "tif":
        enlarge(tmp_path / "b.tif", tmp_path / "c.tif")
        (tmp_path / "c.tif").replace(tmp_path / "b.tif")
    for name in ("a.jpg", f"b.{suffix}"):
        with Image.open(tmp_path / name) as image:
            tags = image.getexif()
            assert tags.get_ifd(0x8769)[0xA001] == 65535
            assert tags.get_ifd(0xA005)[1] == "R03"


def test_pixels_are_those_of_the_file(tmp_path):
    read = np.concatenate(list(open_photograph(png(tmp_path / "a.png", cicp(P3))).strips().rows))
    np.testing.assert_array_equal(np.rint(read * 255), COFFEE)
