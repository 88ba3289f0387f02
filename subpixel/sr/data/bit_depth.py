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
    # Of raw modes, "RGB;16B" has 16 bits a channel, "BGR;16" has 16 bits in all (5-6-5).
    text = " ".join(str(args) for args in tiles)
    return (16 if re.search(r";16[BLN]", text) else 8), False
