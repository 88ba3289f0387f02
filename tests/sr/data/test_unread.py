"""An image file that cannot be read is named for what it is."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from subpixel.sr.data import read_image
from subpixel.sr.errors import InputError


def tiff(dtype, **options):
    def write(path, rgb):
        tifffile.imwrite(path, rgb.astype(dtype), photometric="rgb", metadata=None, **options)

    return write


def twelve_bit_jpeg(path, rgb):
    Image.fromarray(rgb).save(path, "JPEG")
    content = path.read_bytes()
    start = content.index(b"\xff\xc0")
    path.write_bytes(content[: start + 4] + b"\x0c" + content[start + 5 :])


UNIDENTIFIED = {
    "float32": (tiff("f4"), r"has more than 8 bits a channel \(32 bits\)"),
    "float16": (tiff("f2"), r"has more than 8 bits a channel \(16 bits\)"),
    "uint32, big-endian": (tiff(">u4", byteorder=">"), r"8 bits a channel \(32 bits\)"),
    "int16": (tiff("i2"), r"has more than 8 bits a channel \(16 bits\)"),
    "int8": (tiff("i1"), "stores signed or floating-point values"),
    "BigTIFF": (tiff("u8", bigtiff=True), r"has more than 8 bits a channel \(64 bits\)"),
    "JPEG of 12 bits": (twelve_bit_jpeg, "starts as a JPEG file, and is damaged or of a form"),
    "PFM": (
        lambda path, _: path.write_bytes(b"PF\n2 2\n-1.0\n" + bytes(48)),
        "starts as a floating-point PFM file",
    ),
    "TIFF cut": (
        lambda path, _: path.write_bytes(b"II*\0\x08\0\0\0"),
        "starts as a TIFF file, and is damaged",
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
