"""Writes enlarged photographs, completely or not at all, with the metadata of the original."""

import errno
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import atomic_write, errors_name
from subpixel.sr.photo.metadata import MAX_SEGMENT, Metadata, exif_of_result, left_out, software
from subpixel.sr.photo.reading import Photograph
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.tiff import write_tiff
from subpixel.sr.photo.vips import DTYPES, from_array, libvips, quantised

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
    if source.dtype == "float" and kind != "tiff":
        raise InputError(
            f"{source.path} has floating-point values, which only TIFF holds: write TIFF"
        )
    notes = left_out(source.metadata, kind)
    if source.dtype == "ushort" and kind not in ("png", "tiff"):
        notes.append(f"more than 8 bits became 8, which {kind.upper()} is written with")
    return notes


def write_photograph(
    result: Strips, source: Photograph, path: Path, model: str, quality: int | None = None
) -> None:
    """Writes the result to its file, when it is complete.

    Args:
      result: the enlarged image, which is consumed.
      source: the original.
      path: the file; its suffix is the format.
      model: name of the model, for the metadata.
      quality: of JPEG, WebP and AVIF.

    Raises:
      InputError: if the source is damaged.
      OSError: if the file cannot be written.
    """
    kind, metadata = FORMATS[path.suffix.lower()], source.metadata
    dtype = source.dtype if kind in ("png", "tiff") else "uchar"
    exif = exif_of_result(metadata, kind, result.width, result.height, model)
    quality = quality or _DEFAULT_QUALITY.get(kind)
    with (
        errors_name(path),
        atomic_write(path) as part,
        tempfile.TemporaryFile(dir=part.parent) as pixels,
    ):
        # Encoders need the whole image, which need not fit into memory.
        for strip in result.rows:
            pixels.write(quantised(strip, dtype).tobytes())
        pixels.flush()
        shape = (result.height, result.width, result.channels)
        values = np.memmap(pixels, DTYPES[dtype], "r", shape=shape)
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
                add = _add_segment if kind == "jpeg" else _add_chunks
                add(plain, part, exif, metadata, model)
            finally:
                plain.unlink(missing_ok=True)
        else:
            _save_with_pillow(values, metadata, exif, part, kind, quality)


def _save_with_libvips(
    values: Shaped[np.ndarray, "h w c"],
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


def _add_segment(plain: Path, part: Path, exif: Image.Exif, metadata: Metadata, model: str) -> None:
    """Copies a JPEG file with EXIF behind its first marker: EXIF 2.32, section 4.5.5."""
    del metadata
    block = exif.tobytes()
    if len(block) > MAX_SEGMENT:
        block = exif_of_result(Metadata("jpeg"), "jpeg", 0, 0, model).tobytes()
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
    values: Shaped[np.ndarray, "h w c"],
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
