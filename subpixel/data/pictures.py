"""Reads a picture file into an RGB array, or says in one line why not."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from subpixel.errors import InputError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_OPENING = threading.Lock()
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Picture:
    """A picture that can be loaded.

    Attributes:
      name: without folder and suffix.
      source: where it lies, for messages.
      load: returns it as uint8 (h, w, 3), RGB.
      load_low: returns the low resolution that the set comes with, for the scale that was asked
        for, as it lies there; None where there is none.
      low_source: where that lies, for messages.
      files: what it is read from, by which a cache of it is known to hold; none for a picture that
        does not come from files.
    """

    name: str
    source: str
    load: Callable[[], np.ndarray]
    load_low: Callable[[], np.ndarray] | None = None
    low_source: str = ""
    files: tuple[Path, ...] = ()


def holds_one_channel(picture: Picture) -> bool:
    """Returns whether a picture is a file of grey values, before they are repeated for RGB."""
    path = Path(picture.source)
    if not path.is_file():
        return False
    with Image.open(path) as image:
        return image.mode in ("1", "L", "LA")


def read_picture(path: Path) -> np.ndarray:
    """Reads a picture as uint8 (h, w, 3), RGB.

    Grey and black-and-white pictures are repeated for the three channels and a palette is looked
    up: neither changes a value. An alpha channel is dropped where it is opaque everywhere.

    Raises:
      InputError: naming the file, if it is empty, damaged or no picture; if it has more than 8 bits
        a channel, is transparent or CMYK, where a conversion would have to invent something.
    """
    try:
        if not path.exists():
            raise InputError(f"picture {path} is not there, or a link that leads nowhere")
        if path.stat().st_size == 0:
            raise InputError(f"picture {path} is empty: delete it or copy it again")
        with open_picture(path) as image:
            _refuse_unconvertible(image, path)
            image.load()
            return _to_rgb(image, path)
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is not a picture, or its kind is unknown: delete it or convert it to PNG"
        ) from None
    except TOO_LARGE as error:
        raise InputError(
            f"picture {path} is too large: {error} Cut it into pictures of at most "
            f"{Image.MAX_IMAGE_PIXELS or 0:,} pixels"
        ) from error
    except PermissionError:
        raise
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"picture {path} is damaged: {error}. Delete it or copy it again"
        ) from error


def open_picture(path: Path) -> Image.Image:
    """Opens a picture file without decoding it; a warning of its size is an error."""
    # Filters of warnings belong to the whole process, and pictures are read by several threads.
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path)


def _refuse_unconvertible(image: Image.Image, path: Path) -> None:
    # Pillow reads 16-bit RGB as if it had 8 bits; only the decoder's raw mode tells.
    raw_modes = " ".join(str(tile.args) for tile in getattr(image, "tile", ()))
    if image.mode.startswith(("I", "F")) or ";16" in raw_modes:
        raise InputError(
            f"picture {path} has more than 8 bits a channel (mode {image.mode}): convert it to 8 "
            "bits, in the way that you want it rounded"
        )
    if image.mode in ("CMYK", "LAB", "HSV"):
        raise InputError(
            f"picture {path} is {image.mode}, and how it becomes RGB depends on its colour "
            "profile: convert it to RGB"
        )


def _to_rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        if (rgba[..., 3] != 255).any():
            raise InputError(
                f"picture {path} is transparent in places, and what lies behind it is unknown: "
                "flatten it onto a background"
            )
    return np.array(image.convert("RGB"))
