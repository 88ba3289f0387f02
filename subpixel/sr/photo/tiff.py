"""TIFF files of 8 and 16 bits; Pillow writes their directory."""

import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from subpixel.sr.photo.metadata import EXIF_IFD, GPS_IFD

_ROWS_PER_STRIP = 16
# A classic TIFF ends at 4 GiB; some is left for what is not pixels.
_CLASSIC_BYTES = 4 * 10**9


def write_tiff(
    path: Path, values: UInt[np.ndarray, "h w c"], exif: Image.Exif, blocks: dict[int, bytes]
) -> None:
    """Writes uint8 or uint16 as a TIFF file, compressed by deflate.

    The first directory has the tags of EXIF, and those of `blocks`, whose values are bytes.
    """
    height, width, channels = values.shape
    big = values.nbytes > _CLASSIC_BYTES
    directory = ImageFileDirectory_v2(b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4))
    for tag, value in exif.items():
        directory[tag] = value
    for pointer in (EXIF_IFD, GPS_IFD):
        if inner := exif.get_ifd(pointer):
            directory[pointer] = inner
    for tag, block in blocks.items():
        directory.tagtype[tag] = TiffTags.UNDEFINED
        directory[tag] = block
    places, sizes = [], []
    # The directory comes first, and has the sizes of all strips.
    with path.open("wb") as file, tempfile.TemporaryFile(dir=path.parent) as strips:
        for first in range(0, height, _ROWS_PER_STRIP):
            rows = values[first : first + _ROWS_PER_STRIP]
            rows = np.diff(rows, axis=1, prepend=values.dtype.type(0))
            places.append(strips.tell())
            little = rows.astype(rows.dtype.newbyteorder("<"))
            sizes.append(strips.write(zlib.compress(little.tobytes(), 6)))
        lengths = {256: width, 257: height, 273: tuple(places), 279: tuple(sizes)}
        shorts = {
            258: (8 * values.itemsize,) * channels,
            259: 8,
            262: 1 if channels < 3 else 2,
            277: channels,
            278: _ROWS_PER_STRIP,
            284: 1,
            317: 2,
            339: (1,) * channels,
        }
        if channels in (2, 4):
            # Alpha that the colours are not multiplied by.
            shorts[338] = 2
        for tag, value in (lengths | shorts).items():
            long = TiffTags.LONG8 if big else TiffTags.LONG
            directory.tagtype[tag] = long if tag in lengths else TiffTags.SHORT
            directory[tag] = value
        directory.save(file)
        strips.seek(0)
        shutil.copyfileobj(strips, file)
