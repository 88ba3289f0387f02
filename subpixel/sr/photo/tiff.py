"""TIFF files strip by strip, of 8 and 16 bits and floating point; Pillow writes their directory."""

import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from subpixel.sr.photo.metadata import EXIF_IFD, GPS_IFD
from subpixel.sr.photo.pixels import quantised
from subpixel.sr.photo.strips import RowBuffer, Strips

ROWS_PER_STRIP = 16
# A classic TIFF ends at 4 GiB; some is left for what is not pixels.
_CLASSIC_BYTES = 4 * 10**9
_FORMATS = {"uchar": (8, 1), "ushort": (16, 1), "float": (32, 3)}


def write_tiff(
    path: Path,
    image: Strips,
    dtype: str,
    *,
    compressed: bool = True,
    exif: Image.Exif | None = None,
    blocks: dict[int, bytes] | None = None,
) -> None:
    """Writes a TIFF file.

    Args:
      path: the file.
      image: the pixels, which are consumed.
      dtype: "uchar", "ushort" or "float".
      compressed: whether strips are compressed by deflate.
      exif: its tags become those of the first directory.
      blocks: further tags whose values are bytes.
    """
    bits, sample_format = _FORMATS[dtype]
    channels = image.channels
    big = image.height * image.width * channels * bits // 8 > _CLASSIC_BYTES
    directory = ImageFileDirectory_v2(b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4))
    predicted = compressed and dtype != "float"
    places, sizes = [], []
    # The directory comes first, and has the sizes of all strips.
    with path.open("wb") as file, tempfile.TemporaryFile(dir=path.parent) as strips:
        for rows in RowBuffer(image.rows).blocks(image.height, ROWS_PER_STRIP):
            values = quantised(rows, dtype)
            if predicted:
                values = np.diff(values, axis=1, prepend=values.dtype.type(0))
            content = values.astype(values.dtype.newbyteorder("<")).tobytes()
            places.append(strips.tell())
            sizes.append(strips.write(zlib.compress(content, 6) if compressed else content))
        for tag, block in (blocks or {}).items():
            directory.tagtype[tag] = TiffTags.UNDEFINED
            directory[tag] = block
        _add_exif(directory, exif)
        lengths = {256: image.width, 257: image.height, 273: tuple(places), 279: tuple(sizes)}
        shorts = {
            258: (bits,) * channels,
            259: 8 if compressed else 1,
            262: 1 if channels < 3 else 2,
            277: channels,
            278: ROWS_PER_STRIP,
            284: 1,
            317: 2 if predicted else 1,
            339: (sample_format,) * channels,
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


def _add_exif(directory: ImageFileDirectory_v2, exif: Image.Exif | None) -> None:
    if exif is None:
        return
    for tag, value in exif.items():
        directory[tag] = value
    for pointer in (EXIF_IFD, GPS_IFD):
        if values := exif.get_ifd(pointer):
            directory[pointer] = values
