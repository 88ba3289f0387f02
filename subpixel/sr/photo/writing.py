"""Writes enlarged photographs, completely or not at all, with the metadata of the original."""

import errno
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt
from PIL import Image
from PIL.PngImagePlugin import putchunk

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import atomic_write, errors_name
from subpixel.sr.inference.colour import rounded
from subpixel.sr.photo.metadata import MAX_SEGMENT, Metadata, exif_of_result, left_out
from subpixel.sr.photo.reading import Photograph
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.tiff import write_tiff
from subpixel.sr.photo.vips import DTYPES, from_array, libvips

# Optimised tables make a JPEG some percent smaller, but its encoder then holds all coefficients, at
# 6 bytes a pixel and more.
_OPTIMIZED_PIXELS = 50_000_000
# The largest side that each format can have.
_LARGEST_SIDE = {"jpeg": 65535, "webp": 16383, "avif": 65535}
# In TIFF: XMP, IPTC and the colour profile.
_XMP_TAG, _IPTC_TAG, _ICC_TAG = 700, 33723, 34675
# The flags of libvips for XMP, IPTC and the colour profile. EXIF is not among them: libvips adds
# tags to it that the original does not have.
_KEPT_BLOCKS = 2 | 4 | 8
FORMATS = {
    ".avif": "avif",
    ".jfif": "jpeg",
    ".jpeg": "jpeg",
    ".jpg": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
_DEFAULT_QUALITY = {"jpeg": 95, "webp": 90, "avif": 80}


def check_target(source: Photograph, path: Path, width: int, height: int) -> list[str]:
    """Returns notes on what the format changes or cannot hold, before anything is computed.

    Raises:
      InputError: if the suffix stands for no format, or the format cannot hold the result.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"{path} has no suffix of a format that is written: it must be one of "
            f"{', '.join(sorted(FORMATS))}"
        )
    largest = _LARGEST_SIDE.get(kind)
    if largest is not None and max(width, height) > largest:
        raise InputError(
            f"{source.path}: {width}x{height} is larger than {kind.upper()} can be, {largest} "
            "pixels a side: write PNG or TIFF"
        )
    if source.image.bands in (2, 4) and kind == "jpeg":
        raise InputError(
            f"{source.path} has transparency, which JPEG does not hold: write PNG, WebP or TIFF"
        )
    notes = left_out(source.metadata, kind)
    if source.image.format == "ushort" and kind not in ("png", "tiff"):
        notes.append(f"more than 8 bits became 8, which {kind.upper()} is written with")
    return notes


def write_photograph(
    result: Strips, source: Photograph, path: Path, model: str, quality: int | None = None
) -> None:
    """Writes the enlarged image, which is consumed, to its file, when it is complete.

    Raises:
      InputError: if the source is damaged, or JPEG cannot hold its EXIF.
      OSError: if the file cannot be written.
    """
    kind, metadata = FORMATS[path.suffix.lower()], source.metadata
    dtype = DTYPES[source.image.format if kind in ("png", "tiff") else "uchar"]
    exif = exif_of_result(metadata, kind, result.width, result.height, model)
    if kind == "jpeg" and len(exif.tobytes()) > MAX_SEGMENT:
        raise InputError(f"{source.path} has more EXIF than JPEG holds, 64 kB: write PNG or TIFF")
    quality = quality or _DEFAULT_QUALITY.get(kind)
    with (
        errors_name(path),
        atomic_write(path) as part,
        tempfile.TemporaryFile(dir=part.parent) as pixels,
    ):
        # Encoders need the whole image, which need not fit into memory.
        for strip in result.rows:
            pixels.write(rounded(strip, dtype).tobytes())
        pixels.flush()
        shape = (result.height, result.width, result.channels)
        values = np.memmap(pixels, dtype, "r", shape=shape)
        if kind == "tiff":
            blocks = {
                _XMP_TAG: metadata.xmp,
                _IPTC_TAG: metadata.iptc if metadata.kind == "tiff" else None,
                _ICC_TAG: metadata.icc,
            }
            write_tiff(part, values, exif, {tag: block for tag, block in blocks.items() if block})
        elif kind in ("jpeg", "png"):
            plain = part.with_suffix(".plain")
            try:
                _save_with_libvips(values, metadata, plain, kind, quality)
                _add_exif(plain, part, exif.tobytes(), metadata, kind)
            finally:
                plain.unlink(missing_ok=True)
        else:
            _save_with_pillow(values, metadata, exif, part, kind, quality)


def _save_with_libvips(
    values: UInt[np.ndarray, "h w c"],
    metadata: Metadata,
    plain: Path,
    kind: str,
    quality: int | None,
) -> None:
    pyvips = libvips()
    x, y = metadata.dpi or (25.4, 25.4)
    image = from_array(values).copy(xres=x / 25.4, yres=y / 25.4)
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
            small = image.width * image.height <= _OPTIMIZED_PIXELS
            image.jpegsave(str(plain), Q=quality, optimize_coding=small, keep=_KEPT_BLOCKS)
        else:
            image.pngsave(str(plain), compression=6, keep=_KEPT_BLOCKS)
    except pyvips.Error:
        # libvips states numbers of bytes only.
        free = shutil.disk_usage(plain.parent).free / 1e6
        raise OSError(
            errno.ENOSPC,
            f"cannot be written, as its disk has {free:,.0f} MB left or a limit on the size of "
            "files is lower",
        ) from None


def _add_exif(plain: Path, part: Path, exif: bytes, metadata: Metadata, kind: str) -> None:
    """Copies a file with EXIF in front, and without a size of pixels that is invented."""
    with plain.open("rb") as given, part.open("wb") as file:
        if kind == "jpeg":
            # Behind the first marker: EXIF 2.32, section 4.5.5.
            file.write(given.read(2) + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif)
        else:
            file.write(given.read(33))
            putchunk(file, b"eXIf", exif[6:])
            name = b""
            while name != b"IDAT":
                head = given.read(8)
                size, name = int.from_bytes(head[:4]), head[4:]
                content = head + given.read(size + 4)
                if name != b"pHYs" or metadata.dpi is not None:
                    file.write(content)
        shutil.copyfileobj(given, file)


def _save_with_pillow(
    values: UInt[np.ndarray, "h w c"],
    metadata: Metadata,
    exif: Image.Exif,
    part: Path,
    kind: str,
    quality: int | None,
) -> None:
    options: dict[str, Any] = {"exif": exif.tobytes(), "quality": quality}
    options |= {"icc_profile": metadata.icc} if metadata.icc else {}
    options |= {"xmp": metadata.xmp} if metadata.xmp else {}
    if kind == "avif" and quality is not None and quality >= 90:
        options["subsampling"] = "4:4:4"
    image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
    with part.open("wb") as file:
        image.save(file, kind.upper(), **options)
