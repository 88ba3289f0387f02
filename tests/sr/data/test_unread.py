"""An image file that cannot be read is named for what it is."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import read_image


def tiff(dtype, **options):
    def write(path, rgb):
        tifffile.imwrite(path, rgb.astype(dtype), photometric="rgb", metadata=None, **options)

    return write


def twelve_bit_jpeg(path, rgb):
    Image.fromarray(rgb).save(path, "JPEG")
    content = path.read_bytes()
    start = content.index(b"\xff\xc0")
    path.write_bytes(content[: start + 4] + b"\x0c" + content[start + 5 :])


def ten_bit_bmp(path, _):
    """Writes a BMP of 10, 10, 10 and 2 bits."""
    header = np.array([56, 2, 2, 1 | 32 << 16, 3, 16, 0, 0, 0, 0], "<u4").tobytes()
    masks = np.array([0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000], "<u4").tobytes()
    front = b"BM" + np.array([86, 0, 70], "<u4").tobytes()
    path.write_bytes(front + header + masks + bytes(16))


UNKNOWN = r"a\.tif is not an image, is damaged, or is of a form that is not read.*8 bits a channel"
UNIDENTIFIED = {
    "float32": (tiff("f4"), UNKNOWN),
    "float16": (tiff("f2"), UNKNOWN),
    "uint32, big-endian": (tiff(">u4", byteorder=">"), UNKNOWN),
    "int16": (tiff("i2"), UNKNOWN),
    "int8": (tiff("i1"), UNKNOWN),
    "BigTIFF": (tiff("u8", bigtiff=True), UNKNOWN),
    "JPEG of 12 bits": (twelve_bit_jpeg, UNKNOWN),
    "BMP of 10 bits": (ten_bit_bmp, "is of a form that is not read: Unsupported BMP bitfields"),
    "PFM": (
        lambda path, _: path.write_bytes(b"PF\n2 2\n-1.0\n" + bytes(48)),
        UNKNOWN,
    ),
    "TIFF cut": (
        lambda path, _: path.write_bytes(b"II*\0\x08\0\0\0"),
        UNKNOWN,
    ),
}


@pytest.mark.parametrize("kind", UNIDENTIFIED)
def test_what_pillow_does_not_identify_is_named_for_what_it_is(tmp_path, kind):
    write, message = UNIDENTIFIED[kind]
    rgb = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    write(tmp_path / "a.tif", rgb)
    with pytest.raises(InputError, match=message) as from_file:
        read_image(tmp_path / "a.tif")
    with pytest.raises(InputError, match=message) as from_bytes:
        read_image((tmp_path / "a.tif").read_bytes(), str(tmp_path / "a.tif"))
    assert str(from_file.value) == str(from_bytes.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_refused_as_that_and_never_waited_for(tmp_path, kind):
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    with pytest.raises(InputError, match=r"a\.png is a folder, pipe, socket or device: it must be"):
        read_image(path)
