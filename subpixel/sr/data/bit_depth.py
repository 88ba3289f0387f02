"""How many bits a channel an image file stores, which Pillow's mode does not tell."""

import re

import numpy as np
from PIL import ImageFile

BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339  # TIFF 6.0, section 8 and 19


def stored_bits(image: ImageFile.ImageFile) -> tuple[int, bool]:
    """Returns how many bits a channel the file stores, and whether they are signed or floats."""
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        formats = np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))
        bits = np.atleast_1d(tags.get(BITS_PER_SAMPLE, 1))
        return max(bits.tolist()), bool((formats != 1).any())
    tiles = [tile.args for tile in getattr(image, "tile", ())]
    if image.format == "PPM":
        maxima = [args[1] for args in tiles if isinstance(args, tuple) and len(args) > 1]
        numbers = [int(value) for value in maxima if isinstance(value, int | float)]
        return max([8, *(value.bit_length() for value in numbers)]), False
    if image.format == "JPEG2000":
        return _jpeg2000_bits(_head(image))
    if image.format == "AVIF":
        return _avif_bits(_head(image)), False
    # Of raw modes, "RGB;16B" has 16 bits a channel, "BGR;16" has 16 bits in all (5-6-5).
    text = " ".join(str(args) for args in tiles)
    return (16 if re.search(r";16[BLN]", text) else 8), False


def _head(image: ImageFile.ImageFile) -> bytes:
    file = image.fp
    if file is None:
        return b""
    place = file.tell()
    file.seek(0)
    content = file.read(1 << 16)
    file.seek(place)
    return content


def _jpeg2000_bits(head: bytes) -> tuple[int, bool]:
    """Reads Ssiz of each component from the marker SIZ (ISO/IEC 15444-1, A.5.1)."""
    start = head.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(head) < start + 42:
        return 8, False
    count = int.from_bytes(head[start + 40 : start + 42], "big")
    depths = head[start + 42 : start + 42 + 3 * count : 3]
    return max((depth & 127) + 1 for depth in depths or b"\7"), any(d & 128 for d in depths)


def _avif_bits(head: bytes) -> int:
    """Reads high_bitdepth and twelve_bit from the box av1C (AV1 in ISOBMFF, 2.3.3)."""
    start = head.find(b"av1C")
    if start < 0 or len(head) < start + 7 or not head[start + 6] & 0x40:
        return 8
    return 12 if head[start + 6] & 0x20 else 10
