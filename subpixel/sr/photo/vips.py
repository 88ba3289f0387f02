"""libvips, set up for this application; it reads and writes images strip by strip."""

import logging
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt

from subpixel.sr._support.errors import InputError


def libvips() -> ModuleType:
    """Returns pyvips.

    Raises:
      InputError: if it is not installed.
    """
    # C code would print warnings about single tags of a file directly, without a handler.
    os.environ.setdefault("VIPS_WARNING", "1")
    try:
        import pyvips
    except (ImportError, OSError) as error:
        raise InputError(
            f"reading photographs needs libvips ({error}): pip install 'subpixel[upscale]'"
        ) from None
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)
    # What it remembers of files that are done would grow with their number.
    pyvips.cache_set_max(0)
    return pyvips


def first_line(error: Exception) -> str:
    """Returns the part of libvips's message that tells most, without its stack of causes."""
    text = getattr(error, "detail", "") or str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "unknown error"


def damaged(path: Path, error: Exception) -> str:
    """Returns the line that a file gets that libvips or Pillow do not decode."""
    return (
        f"{path} cannot be decoded ({first_line(error)}): it may be damaged, or of a form that is "
        "not read; copy it again, or convert it to PNG"
    )


def from_array(values: UInt[np.ndarray, "h w c"]) -> Any:
    """Returns a libvips image of uint8 or uint16 (h, w, 1 to 4)."""
    height, width, bands = values.shape
    wide = values.dtype == np.uint16
    image = libvips().Image.new_from_memory(
        values.tobytes(), width, height, bands, "ushort" if wide else "uchar"
    )
    grey, rgb = ("grey16", "rgb16") if wide else ("b-w", "srgb")
    return image.copy(interpretation=grey if bands < 3 else rgb)
