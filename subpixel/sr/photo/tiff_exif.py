"""EXIF in TIFF files, which libvips neither reads nor writes."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

ByteOrder = Literal["little", "big"]
Value = TypeVar("Value")

# TIFF 6.0, section 2.
_HEADER_BYTES, _ENTRY_BYTES, _CLASSIC = 8, 12, 42
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
_SOFTWARE = 305
_COMPRESSION, _PHOTOMETRIC = 259, 262
_YCBCR, _JPEG = 6, (6, 7)
# Tags that describe the photograph; all other tags of the first directory describe the file.
_DESCRIPTIVE = (271, 272, _SOFTWARE, 306, 315, 316, 33432)


def read_exif(path: Path) -> bytes | None:
    """Returns the EXIF of a TIFF file as a block of its own, None if it has none.

    Args:
      path: the file; damaged EXIF counts as none.
    """
    return _read_tags(path, _descriptive_block, None)


def is_raw_ycbcr(path: Path) -> bool:
    """Returns whether a TIFF file holds YCbCr that is not in JPEG; libvips would call it RGB."""
    return _read_tags(
        path,
        lambda tags: tags.get(_PHOTOMETRIC) == _YCBCR and tags.get(_COMPRESSION) not in _JPEG,
        False,
    )


def value_kind(path: Path) -> str | None:
    """Returns the kind of values in a TIFF file, such as "float64"; None if it cannot be told."""
    # Pillow knows fewer kinds.
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            dtype = file.pages.first.dtype
    except Exception:
        # tifffile raises many classes of exception on files of other formats and damaged ones.
        return None
    return None if dtype is None else dtype.name


def _read_tags(path: Path, read: Callable[[Image.Exif], Value], damaged: Value) -> Value:
    """Returns the result of `read` for a file's tags, or `damaged` if they cannot be read."""
    # Pillow warns about damaged tags; the pixels do not depend on them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # `Image.open` would refuse a file of more pixels than Pillow's own limit.
            with TiffImageFile(path) as image:
                return read(image.getexif())
        except Exception:
            # Pillow raises nearly every class of exception on damaged content.
            return damaged


def _descriptive_block(given: Image.Exif) -> bytes | None:
    found = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in given:
            found[tag] = given[tag]
    for tag in (_EXIF_IFD, _GPS_IFD):
        found.get_ifd(tag).update(_ifd(given, tag))
    return found.tobytes() if _holds_any(found) else None


def add_exif(path: Path, block: bytes, software: str) -> None:
    """Adds EXIF to a TIFF file: a new first directory at its end, with the entries of the old one.

    Args:
      path: a classic TIFF file; one of more than 4 GiB stays as it is.
      block: EXIF as in a JPEG file; b"" adds the software only.
      software: the name of the program that made the image.
    """
    with path.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        order: ByteOrder = "little" if head[:2] == b"II" else "big"
        if int.from_bytes(head[2:4], order) != _CLASSIC:
            return
        old = _read_entries(file, int.from_bytes(head[4:], order), order)
        end = file.seek(0, io.SEEK_END)
        file.write(b"\0" * (end % 2))
        # Pillow lays out the new entries and their values, for the place that they get here.
        start = file.tell()
        added = _directory(head, block, software).tobytes(start)
        file.write(added)
        new = _read_entries(file, start, order)
        merged = sorted((old | new).items())
        place = file.seek(0, io.SEEK_END)
        file.write(len(merged).to_bytes(2, order))
        file.write(b"".join(entry for _, entry in merged) + bytes(4))
        file.seek(4)
        file.write(place.to_bytes(4, order))


def _directory(head: bytes, block: bytes, software: str) -> ImageFileDirectory_v2:
    directory = ImageFileDirectory_v2(head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tags = Image.Exif()
        tags.load(block)
        for tag in _DESCRIPTIVE:
            if tag in tags:
                directory[tag] = tags[tag]
        directory[_SOFTWARE] = software
        for tag in (_EXIF_IFD, _GPS_IFD):
            if values := _ifd(tags, tag):
                directory[tag] = values
    return directory


def _ifd(tags: Image.Exif, tag: int) -> dict[int, Any]:
    """Returns the entries of an inner directory, with those of the directory of R03 inside it."""
    values = dict(tags.get_ifd(tag))
    if _INTEROPERABILITY_IFD in values:
        # As stored it is the place of that directory in the old file.
        values[_INTEROPERABILITY_IFD] = dict(tags.get_ifd(_INTEROPERABILITY_IFD))
    return values


def _read_entries(file: BinaryIO, place: int, order: ByteOrder) -> dict[int, bytes]:
    """Returns the entries of a directory, as they are stored, by their tags."""
    file.seek(place)
    count = int.from_bytes(file.read(2), order)
    entries = [file.read(_ENTRY_BYTES) for _ in range(count)]
    return {int.from_bytes(entry[:2], order): entry for entry in entries}


def _holds_any(tags: Image.Exif) -> bool:
    return len(tags) > 0 or any(tags.get_ifd(tag) for tag in (_EXIF_IFD, _GPS_IFD))
