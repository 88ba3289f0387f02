"""Reads an image file into an RGB array; every error is one line."""

import io
import logging
import math
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, UnidentifiedImageError

from subpixel.image import imresize
from subpixel.sr._support.errors import InputError

SUFFIXES = frozenset(
    {".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"}
    | {".ppm", ".tif", ".tiff", ".webp"}
)
# The formats whose bit depth `_stored_bits` knows: of AVIF and JPEG 2000 Pillow does not tell it.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
ORIENTATION = 0x0112
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339  # TIFF 6.0, section 8 and 19
# What Pillow says of intact files that it does not decode.
_UNREAD = re.compile("unsupported|not supported|not implemented|cannot handle", re.I)
_OPENING = threading.Lock()
_log = logging.getLogger("subpixel")


class UnsupportedImageError(InputError):
    """An intact image of a kind that is not used: CMYK, transparent, animated, over 8 bits."""


@dataclass(frozen=True)
class ImageSource:
    """An image that can be read.

    Attributes:
      source: its path or address, for messages.
      content: its file, or a function that returns the bytes of one, or pixels, uint8 (h, w, 3).
      files: the files whose contents decide whether a cache of it is valid; empty if it does not
        come from files of the user.
      shrink: the factor by which `load` shrinks the stored image, with MATLAB's bicubic.
    """

    source: str
    content: Path | Callable[[], bytes | UInt8[np.ndarray, "h w 3"]]
    files: tuple[Path, ...] = ()
    shrink: float = 1.0

    @classmethod
    def from_file(cls, path: Path) -> "ImageSource":
        """Returns the image of a file."""
        return cls(str(path), path, (path,))

    @property
    def short_source(self) -> str:
        """The source for records: of a path only folder and file, such as "Set5/baby.png"."""
        return "/".join(Path(self.source).parts[-2:]) if self.files else self.source

    def load(self) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the image upright, as `read_image`, then shrunk.

        Raises:
          InputError: as `read_image`.
        """
        content = self._content()
        image = content if isinstance(content, np.ndarray) else read_image(content, self.source)
        return image if self.shrink == 1 else imresize(image, self.shrink)

    def is_grey(self) -> bool:
        """Returns whether the image is stored with one channel."""
        content = self._content()
        if isinstance(content, np.ndarray):
            return False
        with open_image(content) as image:
            return image.mode in ("1", "L", "LA")

    def size(self) -> tuple[int, int]:
        """Returns the width and height that `load` gives; a file is not decoded for it."""
        if not isinstance(self.content, Path):
            height, width, _ = self.load().shape
            return width, height
        with open_image(self.content) as opened:
            width, height = (math.ceil(side * self.shrink) for side in opened.size)
            return (height, width) if _orientation(opened) >= 5 else (width, height)

    def _content(self) -> Path | bytes | np.ndarray:
        return self.content if isinstance(self.content, Path) else self.content()


def read_image(content: Path | bytes, name: str = "") -> UInt8[np.ndarray, "h w 3"]:
    """Reads an image as uint8 (h, w, 3), RGB, upright by its EXIF orientation.

    Grey and black-and-white images are repeated for the three channels, a palette is looked up,
    and fewer than 8 bits a channel are scaled to 8. An alpha channel is dropped where it is opaque
    everywhere.

    Args:
      content: a file, or the bytes of one.
      name: the name of the image in messages; by default the path.

    Raises:
      UnsupportedImageError: naming the image, if it has more than 8 bits a channel, signed values,
        several frames, transparency or CMYK colours, whose conversion is not defined.
      InputError: naming the image, if it is empty, damaged or no image.
      PermissionError: if the file must not be read.
    """
    with open_image(content, name) as image:
        name = name or _name(content)
        _refuse_unconvertible(image, name)
        image.load()
        return _to_rgb(image, name)


@contextmanager
def open_image(content: Path | bytes, name: str = "") -> Iterator[ImageFile.ImageFile]:
    """Opens an image, a file or its bytes; errors of Pillow while it is open name the image.

    Raises:
      InputError: if the image is absent, empty, damaged, too large or no image, or no file.
      PermissionError: if the file must not be read.
    """
    name = name or _name(content)
    if isinstance(content, Path) and not content.exists():
        raise InputError(f"image {name} is not there, or a link that leads nowhere")
    if isinstance(content, Path) and not content.is_file():
        raise InputError(f"image {name} is a folder, pipe, socket or device: it must be a file")
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if size == 0:
        raise InputError(f"image {name} is empty: delete it or copy it again")
    try:
        with _open(content) as image:
            yield image
    except UnidentifiedImageError:
        raise InputError(
            f"{name} is not an image, is damaged, or is of a form that is not read: delete it, or "
            "convert it to a PNG of 8 bits a channel"
        ) from None
    except TOO_LARGE as error:
        raise InputError(
            f"image {name} is too large: {error} Cut it into images of at most "
            f"{Image.MAX_IMAGE_PIXELS or 0:,} pixels"
        ) from error
    except (InputError, PermissionError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise nearly every class of exception on damaged content:
        # struct.error, IndexError, RuntimeError, NotImplementedError and others.
        reason = " ".join(str(error).split()) or type(error).__name__
        if _UNREAD.search(reason):
            raise UnsupportedImageError(
                f"image {name} is of a form that is not read: {reason}. Convert it to PNG"
            ) from error
        raise InputError(
            f"image {name} is damaged: {reason}. Delete it or copy it again"
        ) from error


def _open(content: Path | bytes) -> ImageFile.ImageFile:
    # Filters of warnings belong to the whole process, and images are read by several threads.
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        return Image.open(file, formats=FORMATS)


def _name(content: Path | bytes) -> str:
    return str(content) if isinstance(content, Path) else f"of {len(content)} bytes"


def _rotate_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def _orientation(image: Image.Image) -> int:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = image.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _refuse_unconvertible(image: ImageFile.ImageFile, name: str) -> None:
    bits, signed = _stored_bits(image)
    if image.mode.startswith(("I", "F")) or bits > 8:
        depth = f"{bits} bits" if bits > 8 else f"mode {image.mode}"
        raise UnsupportedImageError(
            f"image {name} has more than 8 bits a channel ({depth}): convert it to 8 bits, in the "
            "way that you want it rounded"
        )
    if signed:
        raise UnsupportedImageError(
            f"image {name} stores signed or floating-point values: convert it to unsigned 8 bits"
        )
    if image.mode in ("CMYK", "LAB", "HSV"):
        raise UnsupportedImageError(
            f"image {name} is {image.mode}, and how it becomes RGB depends on its colour "
            "profile: convert it to RGB"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "MPO":
        _log.warning(
            "image %s holds %d images (MPO): the first, its primary, is read", name, frames
        )
    elif frames > 1:
        raise UnsupportedImageError(
            f"image {name} is animated or has several pages, {frames} frames: save the one that "
            "is meant as a file of its own"
        )


def _stored_bits(image: ImageFile.ImageFile) -> tuple[int, bool]:
    """Returns how many bits a channel the file stores, and whether they are signed or floats."""
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        formats = np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))
        bits = np.atleast_1d(tags.get(BITS_PER_SAMPLE, 1))
        return max(bits.tolist()), bool((formats != 1).any())
    tiles = [tile.args for tile in getattr(image, "tile", ())]
    if image.format == "PPM":
        maxima = [args[1] for args in tiles if isinstance(args, tuple) and len(args) > 1]
        numbers = [int(value) for value in maxima if isinstance(value, int | float)]
        return max([8, *(value.bit_length() for value in numbers)]), False
    # Of raw modes, "RGB;16B" has 16 bits a channel, "BGR;16" has 16 bits in all (5-6-5).
    text = " ".join(str(args) for args in tiles)
    return (16 if re.search(r";16[BLN]", text) else 8), False


def _to_rgb(image: Image.Image, name: str) -> np.ndarray:
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        if (rgba[..., 3] != 255).any():
            raise UnsupportedImageError(
                f"image {name} is transparent in places, and what lies behind it is unknown: "
                "flatten it onto a background"
            )
    orientation = _orientation(image)
    return np.array(_rotate_upright(np.asarray(image.convert("RGB")), orientation), order="C")
