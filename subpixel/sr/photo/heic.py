"""HEIC files, which most telephones write: pillow-heif decodes them, since the wheel of libvips
contains no decoder for HEVC.
"""

from pathlib import Path
from typing import Any

import numpy as np

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.colour_codes import profile_of
from subpixel.sr.photo.vips import from_array, libvips

SUFFIXES = frozenset({".heic", ".heif"})
# Brands of images in HEVC: ISO/IEC 23008-12, annex B.
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})


def is_heic(path: Path) -> bool:
    """Returns whether the first box of a file lists an image in HEVC: ISO/IEC 14496-12, 4.3."""
    with path.open("rb") as file:
        head = file.read(256)
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4]), len(head))
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, end, 4))}
    return not _BRANDS.isdisjoint(brands)


def open_heic(path: Path) -> Any:
    """Opens a HEIC file; its pixels are decoded by `decode_heic`.

    Args:
      path: the file.

    Returns:
      pillow-heif's image, whose `size` is the upright width and height.

    Raises:
      InputError: if pillow-heif is not installed, or the file holds several images.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(
            f"{path} is HEIC, which needs pillow-heif ({error}): pip install 'subpixel[heic]', or "
            "save the photograph as JPEG"
        ) from None
    opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    if len(opened) > 1:
        raise InputError(f"{path} has {len(opened)} images: save them as single files")
    return opened


def decode_heic(path: Path, opened: Any) -> Any:
    """Returns the libvips image of a HEIC file, upright, with EXIF, XMP and colour profile.

    Args:
      path: the file.
      opened: what `open_heic` returned.

    Raises:
      InputError: if its colours are those of HDR video, for which results have no place.
    """
    info = opened.info
    profile, codes = info.get("icc_profile"), info.get("nclx_profile")
    if not profile and codes is not None:
        profile = profile_of(path, codes["color_primaries"], codes["transfer_characteristics"])
    image = from_array(_values(opened))
    if opened.premultiplied_alpha:
        image = (
            image.unpremultiply()
            .rint()
            .cast(image.format)
            .copy(interpretation=image.interpretation)
        )
    else:
        image = image.copy()
    pyvips = libvips()
    fields = {"exif-data": info.get("exif"), "xmp-data": info.get("xmp")}
    for name, content in {**fields, "icc-profile-data": profile}.items():
        if content:
            image.set_type(pyvips.GValue.blob_type, name, content)
    # The decoder has rotated the pixels; the orientation in EXIF is that of the camera.
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    return image


def _values(opened: Any) -> np.ndarray:
    """Returns the pixels (h, w, c), uint8 or, for 10 and 12 bits, uint16."""
    values = np.asarray(opened)
    bits = opened.info["bit_depth"]
    if values.dtype == np.uint16:
        # pillow-heif shifts to the left: white of 10 bits would be 65,472.
        peak = np.float32(2**bits - 1)
        values = ((values >> (16 - bits)) * (65535 / peak) + np.float32(0.5)).astype(np.uint16)
    return values.reshape(*values.shape[:2], -1)
