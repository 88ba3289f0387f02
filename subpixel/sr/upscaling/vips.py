"""libvips, set up for this application; it reads and writes images strip by strip."""

import logging
import os
from types import ModuleType

from subpixel.sr.errors import InputError


def libvips() -> ModuleType:
    """Returns pyvips.

    Raises:
      InputError: if it is not installed.
    """
    # Warnings about single tags of a file would be printed by C code, past every handler.
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
