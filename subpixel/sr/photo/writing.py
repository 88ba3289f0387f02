"""Writes enlarged photographs, completely or not at all, with the metadata of the original."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import atomic_write, errors_name
from subpixel.sr.photo.metadata import (
    MAX_SEGMENT,
    Metadata,
    exif_of_result,
    left_out,
    software,
)
from subpixel.sr.photo.pixels import DTYPES, quantised
from subpixel.sr.photo.reading import Photograph
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.tiff import write_tiff
from subpixel.sr.photo.vips import libvips

# Larger results wait in a file beside the target until they are encoded.
MEMORY_BYTES = 256 * 2**20
# Optimised tables make a JPEG some percent smaller, but its encoder then holds all coefficients, at
# 6 bytes a pixel and more.
OPTIMIZED_PIXELS = 50_000_000
# The largest side that each format can have.
LARGEST_SIDE = {"jpeg": 65535, "webp": 16383, "avif": 65535, "bmp": 65535}
# In TIFF: XMP, IPTC and the colour profile.
_XMP_TAG, _IPTC_TAG, _ICC_TAG = 700, 33723, 34675
# The flags of libvips for XMP, IPTC and the colour profile. EXIF is not among them: libvips adds
# tags to it that the original does not have.
_KEPT_BLOCKS = 2 | 4 | 8
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
      lossless: whether WebP keeps every value.
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


def check_target(
    source: Photograph, path: Path, width: int, height: int, encoding: Encoding
) -> list[str]:
    """Returns notes on what the format changes or cannot hold, before anything is computed.

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
    if encoding.lossless and kind == "avif":
        raise InputError(f"{path}: AVIF is not written without loss: write WebP, PNG or TIFF")
    notes = left_out(source.metadata, kind)
    if source.dtype == "ushort" and kind not in ("png", "tiff"):
        notes.append(f"more than 8 bits became 8, which {kind.upper()} is written with")
    return notes


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
    kind, metadata = format_of(path), source.metadata
    dtype = "uchar" if kind not in ("png", "tiff") else source.dtype
    exif = exif_of_result(metadata, kind, result.width, result.height, model)
    with errors_name(path), atomic_write(path) as part:
        if kind == "tiff":
            blocks = {
                _XMP_TAG: metadata.xmp,
                _IPTC_TAG: metadata.iptc if metadata.kind == "tiff" else None,
                _ICC_TAG: metadata.icc,
            }
            found = {tag: block for tag, block in blocks.items() if block}
            write_tiff(part, result, dtype, exif=exif, blocks=found)
        elif kind in ("jpeg", "png"):
            plain = part.with_suffix(".plain")
            try:
                with _collected(result, dtype, part.with_suffix(".scratch.tif")) as pixels:
                    _save_with_libvips(pixels, metadata, plain, kind, encoding, path)
                add = _add_segment if kind == "jpeg" else _add_chunks
                add(plain, part, exif, metadata, model)
            finally:
                plain.unlink(missing_ok=True)
        else:
            _save_with_pillow(result, metadata, exif, part, kind, encoding)


@contextmanager
def _collected(result: Strips, dtype: str, scratch: Path) -> Iterator[Any]:
    """Gives the libvips image of the strips, from memory or from a temporary file."""
    pyvips = libvips()
    shape = (result.width, result.height, result.channels)
    size = math.prod(shape) * DTYPES[dtype]().itemsize
    if size <= MEMORY_BYTES:
        pixels = b"".join(quantised(strip, dtype).tobytes() for strip in result.rows)
        image = pyvips.Image.new_from_memory(pixels, *shape, dtype)
        names = {"uchar": ("srgb", "b-w"), "ushort": ("rgb16", "grey16")}
        yield image.copy(interpretation=names[dtype][result.channels < 3])
        return
    try:
        # libvips reads the strips one by one, and would map raw values whole.
        write_tiff(scratch, result, dtype, compressed=False)
        yield pyvips.Image.tiffload(str(scratch), access="sequential")
    finally:
        scratch.unlink(missing_ok=True)


def _save_with_libvips(
    pixels: Any, metadata: Metadata, plain: Path, kind: str, encoding: Encoding, path: Path
) -> None:
    pyvips = libvips()
    x, y = metadata.dpi or (25.4, 25.4)
    image = pixels.copy(xres=x / 25.4, yres=y / 25.4)
    fits = kind != "jpeg" or len(metadata.xmp or b"") <= MAX_SEGMENT
    blocks = {
        "icc-profile-data": metadata.icc,
        "xmp-data": metadata.xmp if fits else None,
        "iptc-data": metadata.iptc if metadata.kind == kind else None,
    }
    for name, block in blocks.items():
        if block:
            image.set_type(pyvips.GValue.blob_type, name, block)
    try:
        if kind == "jpeg":
            quality = encoding.quality or _DEFAULT_QUALITY[kind]
            small = image.width * image.height <= OPTIMIZED_PIXELS
            image.jpegsave(str(plain), Q=quality, optimize_coding=small, keep=_KEPT_BLOCKS)
        else:
            image.pngsave(str(plain), compression=6, keep=_KEPT_BLOCKS)
    except pyvips.Error:
        # libvips states numbers of bytes only.
        free = shutil.disk_usage(plain.parent).free / 1e6
        raise OSError(
            f"{path} cannot be written: its disk has {free:,.0f} MB left, or a limit on the size "
            "of files is lower"
        ) from None


def _add_segment(plain: Path, part: Path, exif: Image.Exif, metadata: Metadata, model: str) -> None:
    """Copies a JPEG file with EXIF behind its first marker: EXIF 2.32, section 4.5.5."""
    del metadata
    block = exif.tobytes()
    if len(block) > MAX_SEGMENT:
        exif = exif_of_result(Metadata("jpeg"), "jpeg", 0, 0, model)
        block = exif.tobytes()
    with plain.open("rb") as given, part.open("wb") as file:
        file.write(given.read(2) + b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block)
        shutil.copyfileobj(given, file)


def _add_chunks(plain: Path, part: Path, exif: Image.Exif, metadata: Metadata, model: str) -> None:
    """Copies a PNG file with EXIF and text behind its header, and with no size that is invented."""
    info = PngInfo()
    for key, value in {**metadata.text, "Software": software(model)}.items():
        info.add_text(key, value)
    with plain.open("rb") as given, part.open("wb") as file:
        file.write(given.read(33))
        putchunk(file, b"eXIf", exif.tobytes()[6:])
        for name, content, *_ in info.chunks:
            putchunk(file, name, content)
        while True:
            head = given.read(8)
            size, name = int.from_bytes(head[:4]), head[4:]
            if name == b"IDAT":
                file.write(head)
                shutil.copyfileobj(given, file)
                return
            content = given.read(size + 4)
            if name != b"pHYs" or metadata.dpi is not None:
                file.write(head + content)


def _save_with_pillow(
    result: Strips, metadata: Metadata, exif: Image.Exif, part: Path, kind: str, encoding: Encoding
) -> None:
    values = np.concatenate([quantised(strip, "uchar") for strip in result.rows])
    image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
    with part.open("wb") as file:
        if kind == "bmp":
            image.save(file, "BMP", **({"dpi": metadata.dpi} if metadata.dpi else {}))
            return
        quality = encoding.quality or _DEFAULT_QUALITY[kind]
        options: dict[str, Any] = {"exif": exif.tobytes(), "quality": quality}
        options |= {"icc_profile": metadata.icc} if metadata.icc else {}
        options |= {"xmp": metadata.xmp} if metadata.xmp else {}
        if kind == "webp" and encoding.lossless:
            options |= {"lossless": True, "exact": True}
        if kind == "avif" and quality >= 90:
            options["subsampling"] = "4:4:4"
        image.save(file, kind.upper(), **options)
