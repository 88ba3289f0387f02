"""HEIC files, which most telephones write: pillow-heif decodes them, since the wheel of libvips
contains no decoder for HEVC.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.packages import require_package
from subpixel.sr.photo.colour_codes import profile_of
from subpixel.sr.photo.vips import from_array, libvips

SUFFIXES = frozenset({".heic", ".heif"})
# Brands of images in HEVC: ISO/IEC 23008-12, annex B.
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")


def is_heic(head: bytes) -> bool:
    """Returns whether the first 64 bytes of a file list an image in HEVC: ISO/IEC 14496-12, 4.3."""
    return head[4:8] == b"ftyp" and any(brand in head[8:] for brand in _BRANDS)


def read_heic(path: Path, check_size: Callable[[int, int], None]) -> tuple[Any, list[str]]:
    """Returns the libvips image of a HEIC file, upright and of 8 bits, and notes.

    `check_size` receives width and height before the pixels are decoded.

    Raises:
      InputError: if pillow-heif is not installed, the file holds several images, or its colours are
        those of HDR video, for which results have no place.
    """
    pillow_heif: Any = require_package("pillow_heif", f"{path} is HEIC, which", "heic")
    opened = pillow_heif.open_heif(path)
    if len(opened) > 1:
        raise InputError(f"{path} has {len(opened)} images: save them as single files")
    check_size(*opened.size)
    info = opened.info
    profile, codes = info.get("icc_profile"), info.get("nclx_profile")
    if not profile and codes is not None:
        profile = profile_of(path, codes["color_primaries"], codes["transfer_characteristics"])
    pillow = opened.to_pillow()
    # Colours may be stored as multiplied by alpha.
    values = np.asarray(pillow.convert("RGBA") if pillow.mode == "RGBa" else pillow)
    image = from_array(np.ascontiguousarray(values.reshape(*values.shape[:2], -1))).copy()
    pyvips = libvips()
    fields = {"exif-data": info.get("exif"), "xmp-data": info.get("xmp")}
    for name, content in {**fields, "icc-profile-data": profile}.items():
        if content:
            image.set_type(pyvips.GValue.blob_type, name, content)
    # The decoder has rotated the pixels; the orientation in EXIF is that of the camera.
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    return image, [f"{info['bit_depth']} bits became 8"] if info["bit_depth"] > 8 else []
