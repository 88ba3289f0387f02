"""Reads an image file into an RGB array, or says in one line why not."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from subpixel.sr.errors import InputError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_OPENING = threading.Lock()
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class SourceImage:
    """An image that can be loaded.

    Attributes:
      name: without folder and suffix.
      source: where it lies, for messages.
      load: returns it as uint8 (h, w, 3), RGB.
      load_lr: returns the low resolution that the set comes with, for the scale that was asked
        for, as it lies there; None where there is none.
      lr_source: where that lies, for messages.
      files: what it is read from, by which a cache of it is known to hold; none for an image that
        does not come from files.
    """

    name: str
    source: str
    load: Callable[[], np.ndarray]
    load_lr: Callable[[], np.ndarray] | None = None
    lr_source: str = ""
    files: tuple[Path, ...] = ()


def holds_one_channel(image: SourceImage) -> bool:
    """Returns whether an image is a file of grey values, before they are repeated for RGB."""
    path = Path(image.source)
    if not path.is_file():
        return False
    with Image.open(path) as opened:
        return opened.mode in ("1", "L", "LA")


def image_size(image: SourceImage) -> tuple[int, int]:
    """Returns the width and height of an image; a file is not decoded for it."""
    if image.files and image.files[0] == Path(image.source):
        with open_image(image.files[0]) as opened:
            return opened.size
    height, width, _ = image.load().shape
    return width, height


def read_image(path: Path) -> np.ndarray:
    """Reads an image as uint8 (h, w, 3), RGB.

    Grey and black-and-white images are repeated for the three channels and a palette is looked
    up: neither changes a value. An alpha channel is dropped where it is opaque everywhere.

    Raises:
      InputError: naming the file, if it is empty, damaged or no image; if it has more than 8 bits
        a channel, is transparent or CMYK, where a conversion would have to invent something.
    """
    try:
        if not path.exists():
            raise InputError(f"image {path} is not there, or a link that leads nowhere")
        if path.stat().st_size == 0:
            raise InputError(f"image {path} is empty: delete it or copy it again")
        with open_image(path) as image:
            _refuse_unconvertible(image, path)
            image.load()
            return _to_rgb(image, path)
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is not an image, or its kind is unknown: delete it or convert it to PNG"
        ) from None
    except TOO_LARGE as error:
        raise InputError(
            f"image {path} is too large: {error} Cut it into images of at most "
            f"{Image.MAX_IMAGE_PIXELS or 0:,} pixels"
        ) from error
    except PermissionError:
        raise
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"image {path} is damaged: {error}. Delete it or copy it again") from error


def open_image(path: Path) -> Image.Image:
    """Opens an image file without decoding it; a warning of its size is an error."""
    # Filters of warnings belong to the whole process, and images are read by several threads.
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path)


def _refuse_unconvertible(image: Image.Image, path: Path) -> None:
    # Pillow reads 16-bit RGB as if it had 8 bits; only the decoder's raw mode tells.
    raw_modes = " ".join(str(tile.args) for tile in getattr(image, "tile", ()))
    if image.mode.startswith(("I", "F")) or ";16" in raw_modes:
        raise InputError(
            f"image {path} has more than 8 bits a channel (mode {image.mode}): convert it to 8 "
            "bits, in the way that you want it rounded"
        )
    if image.mode in ("CMYK", "LAB", "HSV"):
        raise InputError(
            f"image {path} is {image.mode}, and how it becomes RGB depends on its colour "
            "profile: convert it to RGB"
        )


def _to_rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        if (rgba[..., 3] != 255).any():
            raise InputError(
                f"image {path} is transparent in places, and what lies behind it is unknown: "
                "flatten it onto a background"
            )
    return np.array(image.convert("RGB"))
