"""Colours that AVIF, PNG and JPEG state without a profile are kept, noted, or refused in a line."""

import io
import struct

import numpy as np
import pytest
import pyvips
from files import COFFEE, chunk, enlarge, read_pixels
from PIL import Image, ImageCms

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.reading import open_photograph

SRGB, PQ, P3, LINEAR = (1, 13), (9, 16), (12, 13), (1, 8)
OWN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(kind, **options):
    content = io.BytesIO()
    Image.fromarray(COFFEE).save(content, kind, **options)
    return bytearray(content.getvalue())


def png(path, *chunks, **options):
    """Encodes a PNG with further chunks behind its header."""
    content = encoded("PNG", **options)
    # The signature has 8 bytes, the chunk IHDR 25.
    path.write_bytes(content[:33] + b"".join(chunk(*each) for each in chunks) + content[33:])
    return path


def stating(path, codes, **options):
    """Encodes an AVIF with code points in its box "colr", or a PNG with them in cICP."""
    if path.suffix == ".png":
        return png(path, (b"cICP", bytes([*codes, 0, 1])), **options)
    content = encoded("AVIF", **options)
    if not options:
        struct.pack_into(">HH", content, content.index(b"colrnclx") + 8, *codes)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("codes", "options", "profile"),
    [
        (P3, {}, pyvips.Operation.call("profile_load", "p3")),
        (SRGB, {}, None),
        (P3, {"icc_profile": OWN}, OWN),
    ],
)
@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_code_points_become_a_profile_where_there_is_none(name, codes, options, profile, tmp_path):
    source = stating(tmp_path / name, codes, **options)
    assert enlarge(source, tmp_path / f"result_{name}") == []
    with Image.open(tmp_path / f"result_{name}") as result:
        assert result.info.get("icc_profile") == profile


@pytest.mark.parametrize("codes", [PQ, LINEAR])
@pytest.mark.parametrize("name", ["a.avif", "a.png"])
def test_other_colours_are_refused(name, codes, tmp_path):
    with pytest.raises(InputError, match=rf"primaries {codes[0]}, transfer {codes[1]} of ITU-T"):
        open_photograph(stating(tmp_path / name, codes))


def test_an_avif_without_code_points_is_read(tmp_path):
    path = stating(tmp_path / "a.avif", SRGB)
    path.write_bytes(path.read_bytes().replace(b"colrnclx", b"freenclx"))
    assert open_photograph(path).image.get_typeof("icc-profile-data") == 0


def test_pixels_are_those_of_the_file(tmp_path):
    read = read_pixels(stating(tmp_path / "a.png", P3))
    np.testing.assert_array_equal(np.rint(read * 255), COFFEE)
