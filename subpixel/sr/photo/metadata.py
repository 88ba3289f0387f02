"""What a photograph states beside its pixels, and how much of it holds for the enlarged one.

Blocks that libvips reads are copied as they are: colour profile, XMP, IPTC. EXIF is written anew by
Pillow, without what holds in the original file only. Nothing is added but the model's name.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from subpixel import __version__

# Tags of TIFF 6.0 and EXIF 2.32.
DESCRIPTION, ORIENTATION, SOFTWARE = 270, 274, 305
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_INTEROPERABILITY_IFD, _MAKER_NOTE, _WIDTH, _HEIGHT = 0xA005, 0x927C, 0xA002, 0xA003
_PHOTOSHOP = 34377
# Pointers to further images, padding, and settings in a form that Pillow does not keep.
_OF_THE_FILE = frozenset({330, 0x0201, 0x0202, 0xA40B, 0xEA1C, _MAKER_NOTE, EXIF_IFD, GPS_IFD})
# Of the first directory of a TIFF file, these describe the photograph, the others the file.
_DESCRIPTIVE = (DESCRIPTION, 271, 272, ORIENTATION, SOFTWARE, 306, 315, 316, 33432)
# Descriptions by tifffile, ImageJ and OME, which programs read as the layout of the pixels.
_DESCRIBES_PIXELS = ('{"shape"', "ImageJ=", "<?xml")
# Pixels per unit in inches: "inch" and "centimetre" in TIFF and JFIF.
_PER_INCH = {2: 1.0, 3: 2.54}
# A segment of a JPEG file holds 65,533 bytes, 29 of which are the name of XMP.
MAX_SEGMENT = 65_500
# XMP with these states something of the file: Adobe, XMP Specification, part 3; Android, Motion
# Photo format 1.0 and Ultra HDR 1.1.
_FURTHER_IMAGES = (b"hdrgm:", b"HDRGainMap", b"MotionPhoto", b"MicroVideo")
_EXTENDED = b"HasExtendedXMP"
_PNG_METADATA = frozenset({"tEXt", "iTXt", "zTXt", "eXIf"})


class _Latin1(str):
    """Text of EXIF with any bytes: Pillow reads it as Latin-1 and would write ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        del encoding, errors
        return super().encode("latin-1", "replace")


@dataclass(frozen=True)
class Metadata:
    """What is copied into the enlarged photograph.

    Attributes:
      kind: "jpeg", "png", "tiff", "webp", "heif", or "" for another.
      exif: the tags of EXIF; of a TIFF file, those that describe the photograph.
      xmp: the block of XMP, if it holds for the result.
      iptc: the block of IPTC, in the form that `kind` has.
      dpi: pixels per inch, where the file states them.
    """

    kind: str
    icc: bytes | None = None
    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def png_chunks(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of the chunks of a PNG file; a content above 64 bytes is b""."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            size, name = int.from_bytes(head[:4]), head[4:].decode("latin-1")
            content = file.read(size) if size <= 64 else b""
            file.seek(size - len(content) + 4, 1)
            yield name, content


def tiff_tags(path: Path) -> Image.Exif:
    """Returns the first directory of a TIFF file, with its EXIF; empty if it is damaged."""

    def load() -> Image.Exif:
        tags = Image.Exif()
        with path.open("rb") as file:
            head = file.read(8)
            tags.endian, tags.bigtiff = ("<" if head[:2] == b"II" else ">"), 43 in head[2:4]
            directory = ImageFileDirectory_v2(head + (file.read(8) if tags.bigtiff else b""))
            tags.load_from_fp(file, directory.next)
            return _complete(tags)

    return _undamaged(load, Image.Exif())


def _exif_of(block: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(block)
    return _complete(tags)


def _complete(tags: Image.Exif) -> Image.Exif:
    # Pillow would read them when they are used.
    dict(tags)
    tags.get_ifd(GPS_IFD)
    inner = tags.get_ifd(EXIF_IFD)
    if _INTEROPERABILITY_IFD in inner:
        # As stored it is the place of that directory in the file.
        inner[_INTEROPERABILITY_IFD] = dict(tags.get_ifd(_INTEROPERABILITY_IFD))
    return tags


def _undamaged(read: Callable[[], Any], otherwise: Any) -> Any:
    """Returns what Pillow reads, or another value if it is damaged: pixels do not depend on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except Exception:
            # Pillow raises nearly every class of exception on damaged content.
            return otherwise


def read_metadata(path: Path, image: Any) -> Metadata:
    """Returns what a file states, and its libvips image before that is rotated upright."""

    def found(name: str) -> Any:
        return image.get(name) if image.get_typeof(name) != 0 else None

    kind = (found("vips-loader") or "").removesuffix("load")
    icc, xmp, iptc, block = (
        found(f"{name}-data") and bytes(found(f"{name}-data"))
        for name in ("icc-profile", "xmp", "iptc", "exif")
    )
    exif = _undamaged(lambda: _exif_of(block), Image.Exif()) if block else Image.Exif()
    dpi, notes = None, []
    if kind == "tiff":
        tags = tiff_tags(path)
        exif, dpi = _descriptive(tags), _dpi_of_tiff(tags)
        iptc = iptc and _in_file_order(iptc)
        if _PHOTOSHOP in tags:
            notes.append("the resources of Photoshop were left out")
    elif kind == "jpeg":
        # libvips gives the last of several blocks of XMP.
        info = _undamaged(lambda: JpegImageFile(path).info, {})
        xmp = info.get("xmp")
        per_inch = _PER_INCH.get(info.get("jfif_unit", 0) + 1, 0)
        dpi = _dpi(per_inch, *info.get("jfif_density", (0, 0)))
        if "comment" in info:
            notes.append("the comment of the JPEG was left out")
    elif kind == "png":
        chunks = list(png_chunks(path))
        in_metres = dict(chunks).get("pHYs", b"")[8:] == b"\1"
        dpi = _dpi(25.4 * in_metres, image.xres, image.yres)
        names = [name for name, _ in chunks]
        behind = names[names.index("IDAT") :] if "IDAT" in names else []
        in_front = any(name.startswith("png-comment-") for name in image.get_fields())
        if in_front or not _PNG_METADATA.isdisjoint(behind):
            notes.append("the text of the PNG, and what stands behind its pixels, were left out")
    elif not kind and image.xres != 1:
        dpi = image.xres * 25.4, image.yres * 25.4
    if _MAKER_NOTE in exif.get_ifd(EXIF_IFD):
        notes.append("maker notes were left out, which hold in the camera's own file only")
    if xmp is not None and (reason := _untrue(xmp, found("orientation") not in (None, 1))):
        xmp, notes = None, [*notes, reason]
    return Metadata(kind, icc, exif, xmp, iptc, dpi, tuple(notes))


def left_out(metadata: Metadata, kind: str) -> list[str]:
    """Returns notes on what a format cannot hold."""
    notes = []
    if kind == "jpeg" and len(metadata.xmp or b"") > MAX_SEGMENT:
        notes.append("XMP of more than 64 kB was left out, as JPEG holds less")
    if metadata.iptc and metadata.kind != kind:
        notes.append("IPTC was left out, which is copied within JPEG and within TIFF only")
    return notes


def exif_of_result(
    metadata: Metadata, kind: str, width: int, height: int, model: str
) -> Image.Exif:
    """Returns the EXIF of an enlarged photograph; the tag Software also names the model."""
    result, given = Image.Exif(), metadata.exif
    result.endian = given.endian
    result.update({tag: _text(v) for tag, v in given.items() if tag not in _OF_THE_FILE})
    for pointer in (EXIF_IFD, GPS_IFD):
        values = {
            tag: _text(v) for tag, v in given.get_ifd(pointer).items() if tag not in _OF_THE_FILE
        }
        values |= {t: v for t, v in ((_WIDTH, width), (_HEIGHT, height)) if t in values}
        if values:
            result.get_ifd(pointer).update(values)
    if ORIENTATION in result:
        result[ORIENTATION] = 1
    before = str(given.get(SOFTWARE, "")).strip("\0 ")
    stated = software(model)
    result[SOFTWARE] = _text(f"{before}; {stated}" if before else stated)
    if metadata.dpi is not None and kind != "png" and X_RESOLUTION not in result:
        result[X_RESOLUTION], result[Y_RESOLUTION] = metadata.dpi
        result[RESOLUTION_UNIT] = 2
    return result


def software(model: str) -> str:
    """Returns the text that names the program and the model."""
    return f"subpixel {__version__}, model {model}"


def _text(value: Any) -> Any:
    return _Latin1(value) if isinstance(value, str) else value


def _descriptive(tags: Image.Exif) -> Image.Exif:
    found = Image.Exif()
    found.endian = tags.endian
    found.update({tag: tags[tag] for tag in _DESCRIPTIVE if tag in tags})
    if str(found.get(DESCRIPTION, "")).startswith(_DESCRIBES_PIXELS):
        del found[DESCRIPTION]
    for pointer in (EXIF_IFD, GPS_IFD):
        if values := tags.get_ifd(pointer):
            found.get_ifd(pointer).update(values)
    return found


def _in_file_order(iptc: bytes) -> bytes | None:
    """Returns IPTC of a TIFF file, whose bytes are stored as whole numbers by many programs.

    libvips gives such numbers in this machine's order. Every dataset begins with 0x1C: IPTC-NAA
    Information Interchange Model 4.2, section 1.5.
    """
    swapped = b"".join(iptc[i : i + 4][::-1] for i in range(0, len(iptc), 4))
    return next((block for block in (iptc, swapped) if block[:1] == b"\x1c"), None)


def _dpi_of_tiff(tags: Image.Exif) -> tuple[float, float] | None:
    unit = tags.get(RESOLUTION_UNIT, 2)
    try:
        return _dpi(_PER_INCH.get(unit, 0), *(float(tags[t]) for t in (X_RESOLUTION, Y_RESOLUTION)))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _dpi(per_inch: float, x: float, y: float) -> tuple[float, float] | None:
    """Returns pixels per inch; None without a unit, or if a number cannot be one."""
    return (x * per_inch, y * per_inch) if per_inch and all(0 < v < 2**31 for v in (x, y)) else None


def _untrue(xmp: bytes, rotated: bool) -> str | None:
    if any(name in xmp for name in _FURTHER_IMAGES):
        return (
            "a gain map or a video beside the photograph was left out, and XMP, which promises it"
        )
    if _EXTENDED in xmp:
        return "XMP was left out, which continues in further segments of the file"
    if rotated and b"tiff:Orientation" in xmp:
        return "XMP was left out, which states the rotation of the original"
    return None
