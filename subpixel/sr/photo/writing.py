"""Writes enlarged photographs, completely or not at all, with the metadata of the original."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from subpixel import __version__
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import complete_or_absent, part_of
from subpixel.sr.photo.reading import Photograph
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.tiff_exif import add_exif
from subpixel.sr.photo.vips import first_line, libvips

# Results of more bytes wait in a file beside the target until they are encoded.
MEMORY_BYTES = 256 * 2**20
# Optimised tables make a JPEG some percent smaller, but its encoder then holds all coefficients, at
# 6 bytes a pixel and more.
OPTIMIZED_PIXELS = 50_000_000
# The largest side that each format can have.
LARGEST_SIDE = {"jpeg": 65535, "webp": 16383, "avif": 65535, "bmp": 65535}
_DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_KEPT = ("exif-", "icc-profile-data", "xmp-data", "iptc-data", "png-comment-", "image-description")
_THUMBNAIL = ("exif-ifd1-", "jpeg-thumbnail-data")
_SOFTWARE, _DESCRIPTION = "exif-ifd0-Software", "image-description"
# Descriptions by tifffile, ImageJ and OME, which programs read as the layout of the pixels.
_DESCRIBES_PIXELS = ('{"shape"', "ImageJ=", "<?xml")
# What XMP states of the file, and does not hold for the result.
_XMP_CHANGES = (
    (rb"tiff:Orientation", rb"[2-8]", b"1"),
    (rb"G?Camera:(?:MotionPhoto|MicroVideo)", rb"1", b"0"),
    (rb"hdrgm:Version", rb"[0-9.]+", b""),
)
_FORMATS = {
    ".avif": "avif",
    ".bmp": "bmp",
    ".jfif": "jpeg",
    ".jpeg": "jpeg",
    ".jpg": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
WRITTEN = frozenset(_FORMATS)
_DEFAULT_QUALITY = {"jpeg": 95, "webp": 90, "avif": 80}


@dataclass(frozen=True)
class Encoding:
    """How results are encoded.

    Attributes:
      quality: of JPEG, WebP and AVIF, 1 to 100; None is 95, 90 and 80.
      lossless: whether WebP and AVIF keep every value.
    """

    quality: int | None = None
    lossless: bool = False

    def __post_init__(self):
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InputError(f"quality must be from 1 to 100; got {self.quality}")


def format_of(path: Path) -> str:
    """Returns the format that a suffix stands for.

    Raises:
      InputError: if there is none.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{path} has no suffix of a format that is written: it must be one of "
            f"{', '.join(sorted(_FORMATS))}"
        ) from None


def check_target(source: Photograph, path: Path, width: int, height: int) -> list[str]:
    """Returns notes on the changes that the format makes, before anything is computed.

    Raises:
      InputError: if the format cannot hold the result.
    """
    kind, bands = format_of(path), source.image.bands
    largest = LARGEST_SIDE.get(kind)
    if largest is not None and max(width, height) > largest:
        raise InputError(
            f"{source.path}: {width}x{height} is larger than {kind.upper()} can be, {largest} "
            "pixels a side: write PNG or TIFF"
        )
    if bands in (2, 4) and kind in ("jpeg", "bmp"):
        raise InputError(
            f"{source.path} has transparency, which {kind.upper()} does not hold: write PNG, WebP "
            "or TIFF"
        )
    if source.dtype == "float" and kind != "tiff":
        raise InputError(
            f"{source.path} has floating-point values, which only TIFF holds: write TIFF"
        )
    if source.dtype == "ushort" and kind not in ("png", "tiff"):
        return [f"16 bits became 8, as {kind.upper()} has them"]
    return []


def write_photograph(
    result: Strips, source: Photograph, path: Path, model: str, encoding: Encoding
) -> None:
    """Writes the result to its file, when it is complete.

    Args:
      result: the enlarged image, which is consumed.
      source: the original.
      path: the file; its suffix is the format.
      model: name of the model, for the metadata.
      encoding: quality.

    Raises:
      InputError: if the source is damaged.
      OSError: if the file cannot be written.
    """
    kind = format_of(path)
    dtype = source.dtype
    if dtype == "ushort" and kind not in ("png", "tiff"):
        dtype = "uchar"
    with complete_or_absent(path) as part, _collected(result, dtype, part) as pixels:
        image = _with_metadata(pixels, source, dtype, model, kind)
        _save(image, part, kind, encoding, path)


@contextmanager
def _collected(result: Strips, dtype: str, part: Path) -> Iterator[Any]:
    """Gives the libvips image of the strips, from memory or from a file beside `part`."""
    pyvips = libvips()
    shape = (result.width, result.height, result.channels)
    size = math.prod(shape) * _DTYPES[dtype]().itemsize
    if size <= MEMORY_BYTES:
        pixels = b"".join(_quantised(strip, dtype).tobytes() for strip in result.rows)
        yield pyvips.Image.new_from_memory(pixels, *shape, dtype)
        return
    scratch = part_of(part.with_suffix(".scratch.tif"))
    try:
        _write_uncompressed(result, dtype, scratch)
        yield pyvips.Image.tiffload(str(scratch), access="sequential")
    finally:
        scratch.unlink(missing_ok=True)


def _write_uncompressed(result: Strips, dtype: str, path: Path) -> None:
    """Writes a TIFF of strips: libvips reads those one by one, and would map raw values whole."""
    import tifffile

    shape = (result.height, result.width, result.channels)
    written = tifffile.imwrite(
        path,
        shape=shape if result.channels > 1 else shape[:2],
        dtype=_DTYPES[dtype],
        bigtiff=True,
        photometric="minisblack" if result.channels < 3 else "rgb",
        planarconfig="contig" if result.channels > 1 else None,
        extrasamples=["unassalpha"] if result.channels in (2, 4) else None,
        rowsperstrip=16,
        metadata=None,
        returnoffset=True,
    )
    if written is None:
        raise OSError(f"{path} was not written")
    with path.open("r+b") as file:
        file.seek(written[0])
        for strip in result.rows:
            _quantised(strip, dtype).tofile(file)


def _quantised(strip: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "float":
        return strip
    peak = np.float32(255 if dtype == "uchar" else 65535)
    # Halves are rounded up, as MATLAB's `uint8` and `uint16` do.
    return (strip.clip(0, 1) * peak + np.float32(0.5)).astype(_DTYPES[dtype])


def _with_metadata(pixels: Any, source: Photograph, dtype: str, model: str, kind: str) -> Any:
    original = source.image
    grey = original.bands < 3
    names = {"uchar": ("srgb", "b-w"), "ushort": ("rgb16", "grey16"), "float": ("scrgb", "b-w")}
    image = pixels.copy(interpretation=names[dtype][grey], xres=original.xres, yres=original.yres)
    for name in original.get_fields():
        if name.startswith(_KEPT):
            image.set_type(original.get_typeof(name), name, original.get(name))
    text_type = libvips().GValue.gstr_type
    if original.get_typeof("resolution-unit"):
        image.set_type(text_type, "resolution-unit", original.get("resolution-unit"))
    if image.get_typeof("orientation"):
        # EXIF that is set brings its own orientation and thumbnail; the pixels are upright.
        image.set_type(libvips().GValue.gint_type, "orientation", 1)
    if image.get_typeof("xmp-data"):
        image.set_type(libvips().GValue.blob_type, "xmp-data", _true_xmp(image.get("xmp-data")))
    for name in image.get_fields():
        if name.startswith(_THUMBNAIL):
            image.remove(name)
    text = f"subpixel {__version__}, model {model}"
    before = _field(original, _SOFTWARE).partition(" (")[0]
    image.set_type(text_type, _SOFTWARE, f"{before}; {text}" if before else text)
    if kind == "png":
        image.set_type(text_type, "png-comment-0-Software", text)
    if kind == "tiff":
        before = _field(original, _DESCRIPTION)
        if before.startswith(_DESCRIBES_PIXELS):
            before = ""
        described = f"{before}\n{text}".strip()
        image.set_type(text_type, _DESCRIPTION, described)
    return image


def _true_xmp(xmp: bytes) -> bytes:
    """Returns XMP with orientation 1, without a video or a gain map behind the image.

    Sources: Adobe, XMP Specification, part 2; Android, Motion Photo format 1.0 and Ultra HDR 1.1.
    """
    for name, old, new in _XMP_CHANGES:
        # As an attribute, and as an element.
        pattern = rb"""(\b%s(?:\s*=\s*["']|>))%s(?=["'<])""" % (name, old)
        xmp = re.sub(pattern, rb"\g<1>" + new, xmp)
    return xmp


def _field(image: Any, name: str) -> str:
    return image.get(name) if image.get_typeof(name) else ""


def _save(image: Any, part: Path, kind: str, encoding: Encoding, path: Path) -> None:
    pyvips, name = libvips(), str(part)
    quality = encoding.quality or _DEFAULT_QUALITY.get(kind)
    try:
        if kind == "jpeg":
            small = image.width * image.height <= OPTIMIZED_PIXELS
            image.jpegsave(name, Q=quality, optimize_coding=small)
        elif kind == "png":
            image.pngsave(name, compression=6)
        elif kind == "webp":
            image.webpsave(name, Q=quality, lossless=encoding.lossless)
        elif kind == "avif":
            image.heifsave(name, compression="av1", Q=quality, lossless=encoding.lossless, effort=4)
        elif kind == "tiff":
            # A classic TIFF ends at 4 GiB.
            big = image.width * image.height * image.bands * 4 > 2**32
            predictor = "float" if image.format == "float" else "horizontal"
            image.tiffsave(name, compression="deflate", predictor=predictor, bigtiff=big)
            block = image.get("exif-data") if image.get_typeof("exif-data") else b""
            add_exif(part, block, _field(image, _SOFTWARE))
        else:
            _save_bmp(image, part)
    except pyvips.Error as error:
        raise OSError(f"{path} cannot be written: {first_line(error)}") from None


def _save_bmp(image: Any, part: Path) -> None:
    """Encodes BMP with Pillow, since libvips has no writer of its own for it."""
    values = image.numpy()
    with part.open("wb") as file:
        Image.fromarray(values.squeeze(-1) if values.shape[-1:] == (1,) else values).save(
            file, "BMP", dpi=(image.xres * 25.4, image.yres * 25.4)
        )
