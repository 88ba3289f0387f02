"""libvips, set up for this application; it reads and writes images strip by strip."""

import logging
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt

from subpixel.sr._support.errors import InputError
from subpixel.sr.inference.colour import rounded

# Formats of values in libvips, their types in NumPy, and white.
DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
PEAKS = {"uchar": 255, "ushort": 65535, "float": 1}


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


def damaged(path: Path, error: Exception) -> InputError:
    """Returns the error for a file that libvips or Pillow do not decode."""
    text = getattr(error, "detail", "") or str(error)
    # The first line of libvips's message tells most; the others are its stack of causes.
    line = next(filter(None, map(str.strip, text.splitlines())), "unknown error")
    return InputError(
        f"{path} cannot be decoded ({line}): it may be damaged, or of a form that is not read; "
        "copy it again, or convert it to PNG"
    )


def from_array(values: UInt[np.ndarray, "h w c"]) -> Any:
    """Returns a libvips image of uint8 or uint16 (h, w, 1 to 4), which shares the memory."""
    height, width, bands = values.shape
    names = ("uchar", "b-w", "srgb") if values.dtype == np.uint8 else ("ushort", "grey16", "rgb16")
    image = libvips().Image.new_from_memory(values.data, width, height, bands, names[0])
    return image.copy(interpretation=names[1 if bands < 3 else 2])


def quantised(values: Float32[np.ndarray, "h w c"], dtype: str) -> Shaped[np.ndarray, "h w c"]:
    """Returns values in 0..1 as a format of libvips stores them; "float" stays as it is."""
    return values if dtype == "float" else rounded(values, DTYPES[dtype])
