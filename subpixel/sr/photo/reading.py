"""Opens photographs for enlargement, or says in one line why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo import heic
from subpixel.sr.photo.colour_codes import with_profile
from subpixel.sr.photo.metadata import Metadata, png_chunks, read_metadata, tiff_tags
from subpixel.sr.photo.pixels import DTYPES, PEAKS
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.vips import damaged, from_array, libvips

SUFFIXES = heic.SUFFIXES | frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
MAX_MEGAPIXELS = 400
_ONE_IMAGE = "one image a file is enlarged. Save them as single files, or an animation as a video"
_READ_BYTES = 8 * 2**20
# TIFF 6.0, sections 8 and 19: tags, colour spaces that are read, and kinds of values.
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 259, 262, 339
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_READ_SPACES, _YCBCR, _JPEG = (0, 1, 2, 3, 5, 6), 6, (6, 7)
_OTHER_SPACES = {8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "CFA (raw)", 34892: "linear raw"}
_KINDS = {1: "uint", 2: "int", 3: "float", 5: "complex", 6: "complex"}
_REFUSED_KINDS = frozenset({"uint32", "uint64", "float64"})


@dataclass(frozen=True)
class Photograph:
    """An opened photograph: upright, and grey or RGB, with or without alpha.

    Attributes:
      path: the file.
      image: the libvips image.
      metadata: what the file states beside its pixels.
      notes: what was changed on reading, in words.
    """

    path: Path
    image: Any
    metadata: Metadata
    notes: tuple[str, ...] = field(default=())

    @property
    def width(self) -> int:
        """Width in pixels, upright."""
        return self.image.width

    @property
    def height(self) -> int:
        """Height in pixels, upright."""
        return self.image.height

    @property
    def dtype(self) -> str:
        """The format of a value in libvips: "uchar", "ushort" or "float"."""
        return self.image.format

    def strips(self) -> Strips:
        """Returns the pixels as strips.

        Raises:
          InputError: while they are read, if the file is damaged.
        """
        return Strips(self.height, self.width, self.image.bands, self._rows())

    def _rows(self) -> Iterator[np.ndarray]:
        pyvips = libvips()
        width, height, bands = self.width, self.height, self.image.bands
        peak = np.float32(PEAKS[self.dtype])
        dtype = DTYPES[self.dtype]
        step = max(_READ_BYTES // (width * bands * 4), 1)
        try:
            region = pyvips.Region.new(self.image)
            for y in range(0, height, step):
                count = min(step, height - y)
                values = np.frombuffer(region.fetch(0, y, width, count), dtype)
                yield values.reshape(count, width, bands).astype(np.float32) / peak
        except pyvips.Error as error:
            raise InputError(damaged(self.path, error)) from None


def open_photograph(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Photograph:
    """Opens an image file; pixels are decoded when its strips are read.

    Args:
      path: the file.
      max_megapixels: files with more are refused.

    Raises:
      InputError: naming the file, if it cannot be read, or holds several images.
      OSError: if the system refuses to open it.
    """
    refuse_unreadable(path)
    image = _open(path, max_megapixels)
    _refuse_larger(path, image.width, image.height, max_megapixels)
    return _normalise(path, image)


def _refuse_larger(path: Path, width: int, height: int, max_megapixels: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        digits = 1 if megapixels >= 1 else 4
        raise InputError(
            f"{path} has {megapixels:,.{digits}f} megapixels, and at most {max_megapixels:,g} are "
            "read: a file that claims more than it holds fills a disk. --max-megapixels allows more"
        )


def check_name(path: Path) -> None:
    """Refuses a name that is not UTF-8, which libvips and FFmpeg do not open.

    Raises:
      InputError: naming the path.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path} has a name that is not UTF-8: rename it") from None


def refuse_unreadable(path: Path) -> None:
    """Refuses what is no plain file, such as a pipe, which would block, or an empty file.

    Raises:
      InputError: naming the path and the reason.
      OSError: if the system refuses to open the file.
    """
    try:
        found = path.exists()
    # Python before 3.13 raises RuntimeError at a loop of links.
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be followed ({error}): a link may lead to itself"
        ) from None
    if not found:
        why = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise InputError(f"{path} {why}")
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: copy it again")
    # The error names a missing permission; libvips would call the file damaged.
    path.open("rb").close()
    check_name(path)


def _refuse_several(path: Path, image: Any) -> None:
    count = image.get("n-pages") if image.get_typeof("n-pages") else 1
    loader = image.get("vips-loader")
    if loader == "pngload" and _is_animated_png(path):
        raise InputError(f"{path} is animated: {_ONE_IMAGE}")
    if count > 1:
        what = "pages" if loader == "tiffload" else "frames"
        animated = "has" if what == "pages" else "is animated, with"
        raise InputError(f"{path} {animated} {count} {what}: {_ONE_IMAGE}")


def _is_animated_png(path: Path) -> bool:
    """Returns whether there is a chunk acTL; libvips reads the first image."""
    return any(name == "acTL" for name, _ in png_chunks(path))


def header(path: Path) -> tuple[int, int]:
    """Returns width and height as the file's header states them; (0, 0) if it cannot be read."""
    # Opening a pipe blocks until somebody writes into it.
    if not path.is_file():
        return 0, 0
    try:
        image = libvips().Image.new_from_file(str(path))
    except (libvips().Error, UnicodeEncodeError):
        return 0, 0
    return image.width, image.height


def _open(path: Path, max_megapixels: float) -> Any:
    pyvips = libvips()
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"BM"):
        return _open_bmp(path, max_megapixels)
    if head[4:] == b"ftypavis":
        raise InputError(f"{path} is animated: {_ONE_IMAGE}")
    if head[:4] in _TIFF_HEADS:
        _refuse_tiff(path)
    if heic.is_heic(path):
        with _decoding(path):
            opened = heic.open_heic(path)
            width, height = opened.size
            _refuse_larger(path, width, height, max_megapixels)
            return heic.decode_heic(path, opened)
    try:
        # "error" stops at damage; by default the rest of a cut file would be grey.
        image = pyvips.Image.new_from_file(str(path), fail_on="error")
    except pyvips.Error as error:
        if "is not a known file format" in str(error):
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise InputError(f"{path} is no image of a kind that is read ({kinds})") from None
        raise InputError(damaged(path, error)) from None
    _refuse_several(path, image)
    return image


def _refuse_tiff(path: Path) -> None:
    tags = tiff_tags(path)
    space, bits, sample = (tags.get(tag, 1) for tag in (_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT))
    if space == _YCBCR and tags.get(_COMPRESSION) not in _JPEG:
        raise InputError(f"{path} holds YCbCr without JPEG compression: convert it to RGB")
    if space not in _READ_SPACES:
        name = _OTHER_SPACES.get(space, f"{space} of TIFF")
        raise InputError(f"{path} has the colour space {name}: convert it to RGB or grey")
    bits, sample = (value[0] if isinstance(value, tuple) else value for value in (bits, sample))
    kind = f"{_KINDS.get(sample, 'uint')}{bits}"
    if kind in _REFUSED_KINDS or kind.startswith(("int", "complex")):
        raise InputError(_of_kind(path, kind))


def _open_bmp(path: Path, max_megapixels: float) -> Any:
    """Decodes BMP with Pillow, since libvips has no reader of its own for it."""
    # `Image.open` has a limit of its own, which no option raises.
    with _decoding(path), BmpImageFile(path) as opened:
        _refuse_larger(path, opened.width, opened.height, max_megapixels)
        dpi = opened.info.get("dpi")
        mode = {"1": "L", "L": "L", "RGBA": "RGBA"}.get(opened.mode, "RGB")
        values = np.array(opened.convert(mode))
    values = values.reshape(*values.shape[:2], -1)
    image = from_array(values)
    if dpi:
        image = image.copy(xres=dpi[0] / 25.4, yres=dpi[1] / 25.4)
    return image


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Calls a file damaged if the decoder inside fails, unless the error says more."""
    try:
        yield
    except (InputError, PermissionError, MemoryError):
        raise
    except Exception as error:
        # Decoders of Pillow and pillow-heif raise nearly every class of exception.
        raise InputError(damaged(path, error)) from None


def _normalise(path: Path, image: Any) -> Photograph:
    pyvips = libvips()
    image, notes = with_profile(path, image)
    metadata = read_metadata(path, image)
    try:
        if image.interpretation == "cmyk":
            own = image.get_typeof("icc-profile-data") != 0 and _is_profile(
                image.get("icc-profile-data")
            )
            image = image.icc_transform(
                "srgb", embedded=True, input_profile="cmyk", intent="relative"
            )
            metadata = replace(metadata, icc=bytes(image.get("icc-profile-data")))
            notes.append(
                f"CMYK converted to sRGB by {'its own' if own else 'a general'} colour profile"
            )
        if image.get_typeof("orientation") != 0 and image.get("orientation") != 1:
            image = image.autorot()
    except pyvips.Error as error:
        raise InputError(damaged(path, error)) from None
    if image.interpretation not in ("b-w", "grey16", "srgb", "rgb16", "rgb", "scrgb", "multiband"):
        raise InputError(
            f"{path} has the colour space {image.interpretation}: convert it to RGB or grey"
        )
    if image.bands > 4:
        raise InputError(f"{path} has {image.bands} channels: convert it to RGB, with alpha or not")
    if image.format not in PEAKS:
        raise InputError(_of_kind(path, image.format))
    if image.format == "float":
        _refuse_unless_unit(path, image)
    return Photograph(path, image, metadata, (*notes, *metadata.notes))


def _of_kind(path: Path, kind: str) -> str:
    return f"{path} has values of the kind {kind}: convert them to unsigned 8 or 16 bits"


def _is_profile(content: bytes) -> bool:
    """Returns whether a colour profile begins as one, ICC.1:2022, section 7.2."""
    return content[36:40] == b"acsp"


def _refuse_unless_unit(path: Path, image: Any) -> None:
    try:
        low, high = image.min(), image.max()
        # NaN, which libvips leaves out of its minimum, is not equal to itself.
        numbers = image.relational(image, "equal").min() > 0
    except libvips().Error as error:
        raise InputError(damaged(path, error)) from None
    if not numbers:
        raise InputError(f"{path} has values that are not a number (NaN): replace them")
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"{path} has floating-point values from {low:g} to {high:g}, and black is 0 and white "
            "1 here: scale them to 0..1, or convert them to 16 bits"
        )
