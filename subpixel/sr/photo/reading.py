"""Opens photographs for enlargement, or says in one line why not."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo import heic
from subpixel.sr.photo.colour_codes import with_profile
from subpixel.sr.photo.metadata import Metadata, png_chunks, read_metadata, tiff_tags
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.vips import DTYPES, damaged, from_array, libvips

SUFFIXES = heic.SUFFIXES | frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
MAX_MEGAPIXELS = 400
_ONE_IMAGE = "one image a file is enlarged. Save them as single files, or an animation as a video"
_READ_BYTES = 8 * 2**20
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# TIFF 6.0, section 8: tags; grey, RGB, palettes, and YCbCr in JPEG.
_BITS, _COMPRESSION, _PHOTOMETRIC = 258, 259, 262
_READ_SPACES, _YCBCR, _JPEG = (0, 1, 2, 3), 6, (6, 7)


@dataclass(frozen=True)
class Photograph:
    """An opened photograph: upright, and grey or RGB, with or without alpha.

    `image` is the libvips image, and `notes` say what was changed on reading.
    """

    path: Path
    image: Any
    metadata: Metadata
    notes: tuple[str, ...] = ()

    def strips(self) -> Strips:
        """Returns the pixels as strips.

        Raises:
          InputError: while they are read, if the file is damaged.
        """
        image = self.image
        return Strips(image.height, image.width, image.bands, self._rows())

    def _rows(self) -> Iterator[np.ndarray]:
        width, height, bands = self.image.width, self.image.height, self.image.bands
        step = max(_READ_BYTES // (width * bands * 4), 1)
        dtype = DTYPES[self.image.format]
        with _decoding(self.path):
            region = libvips().Region.new(self.image)
            for y in range(0, height, step):
                count = min(step, height - y)
                values = np.frombuffer(region.fetch(0, y, width, count), dtype)
                white = np.float32(np.iinfo(dtype).max)
                yield values.reshape(count, width, bands).astype(np.float32) / white


def open_photograph(path: Path) -> Photograph:
    """Opens an image file; pixels are decoded when its strips are read.

    Raises:
      InputError: naming the file, if it cannot be read, or holds several images.
      OSError: if the system refuses to open it.
    """
    refuse_unreadable(path)
    image, notes = _open(path)
    _refuse_large(path, image.width, image.height)
    image, colour_notes = with_profile(path, image)
    metadata = read_metadata(path, image)
    with _decoding(path):
        if image.get_typeof("orientation") != 0 and image.get("orientation") != 1:
            image = image.autorot()
        _refuse_pixels(path, image)
    return Photograph(path, image, metadata, (*notes, *colour_notes, *metadata.notes))


def refuse_unreadable(path: Path) -> None:
    """Refuses what is no plain file, such as a pipe, which would block, or an empty file.

    Raises:
      InputError: naming the path and the reason.
      OSError: naming the path, if it does not exist, or the system refuses to open it.
    """
    check_name(path)
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is not a file")
    if found.st_size == 0:
        raise InputError(f"{path} is empty: copy it again")
    # The error names a missing permission; libvips would call the file damaged.
    path.open("rb").close()


def check_name(path: Path) -> None:
    """Refuses a name that is not UTF-8, which libvips and FFmpeg do not open.

    Raises:
      InputError: naming the path.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path} has a name that is not UTF-8: rename it") from None


def _open(path: Path) -> tuple[Any, list[str]]:
    with path.open("rb") as file:
        head = file.read(64)
    with _decoding(path):
        if head.startswith(b"BM"):
            return _open_bmp(path), []
        if heic.is_heic(head):
            return heic.read_heic(path, partial(_refuse_large, path))
        if head[4:12] == b"ftypavis":
            raise InputError(f"{path} is animated: {_ONE_IMAGE}")
        if head[:4] in _TIFF_HEADS:
            _refuse_tiff(path)
        try:
            # "error" stops at damage; by default the rest of a cut file would be grey.
            image = libvips().Image.new_from_file(str(path), fail_on="error")
        except libvips().Error as error:
            if "is not a known file format" not in str(error):
                raise
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise InputError(f"{path} is no image of a kind that is read ({kinds})") from None
    count = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if count > 1 or (head[1:4] == b"PNG" and "acTL" in dict(png_chunks(path))):
        what = f"has {count} pages" if head[:4] in _TIFF_HEADS else "is animated"
        raise InputError(f"{path} {what}: {_ONE_IMAGE}")
    return image, []


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Calls a file damaged if the decoder inside fails, unless the error says more."""
    try:
        yield
    except (InputError, PermissionError, MemoryError, GeneratorExit):
        raise
    except Exception as error:
        # Decoders of Pillow and pillow-heif raise nearly every class of exception.
        raise damaged(path, error) from None


def _open_bmp(path: Path) -> Any:
    """Decodes BMP with Pillow, since libvips has no reader of its own for it."""
    # `Image.open` has a limit of its own, which no option raises.
    with BmpImageFile(path) as opened:
        _refuse_large(path, *opened.size)
        dpi = opened.info.get("dpi")
        mode = {"1": "L", "L": "L", "RGBA": "RGBA"}.get(opened.mode, "RGB")
        values = np.array(opened.convert(mode))
    image = from_array(values.reshape(*values.shape[:2], -1))
    return image.copy(xres=dpi[0] / 25.4, yres=dpi[1] / 25.4) if dpi else image


def _refuse_large(path: Path, width: int, height: int) -> None:
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise InputError(
            f"{path} has {width * height / 1e6:,.1f} megapixels, and at most {MAX_MEGAPIXELS} are "
            "read, since a file that claims more than it holds fills a disk: cut it into parts"
        )


def _refuse_tiff(path: Path) -> None:
    tags = tiff_tags(path)
    space, bits = tags.get(_PHOTOMETRIC, 1), tags.get(_BITS, 1)
    if space not in _READ_SPACES and (space, tags.get(_COMPRESSION) in _JPEG) != (_YCBCR, True):
        raise InputError(
            f"{path} has the colour space {space} of TIFF, and grey, RGB, palettes and JPEG are "
            "read: convert it to RGB or grey"
        )
    # libvips reads such values in some layouts only.
    if max(bits if isinstance(bits, tuple) else (bits,)) > 32:
        raise InputError(_of_kind(path, "of 64 bits"))


def _refuse_pixels(path: Path, image: Any) -> None:
    if image.interpretation not in ("b-w", "grey16", "srgb", "rgb16", "rgb", "scrgb", "multiband"):
        raise InputError(
            f"{path} has the colour space {image.interpretation}: convert it to RGB or grey"
        )
    if image.bands > 4:
        raise InputError(f"{path} has {image.bands} channels: convert it to RGB, with alpha or not")
    if image.format not in DTYPES:
        raise InputError(_of_kind(path, f"of the kind {image.format}"))


def _of_kind(path: Path, kind: str) -> str:
    return f"{path} has values {kind}: convert them to unsigned 8 or 16 bits"
