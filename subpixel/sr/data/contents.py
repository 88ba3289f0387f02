"""Sorts the files of one folder into originals, their LR images, and images that are left out."""

import mimetypes
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from subpixel.sr.data.images import SUFFIXES, open_image
from subpixel.sr.data.names import FileName, names_srf, parse_lr_folder, parse_name
from subpixel.sr.errors import InputError

# Suffixes of image formats that Python's table of media types and Pillow do not list: camera raw
# and JPEG XL. Files of these, and of what those two list, are reported when they are not read.
_RAW = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw"}
    | {".rw2", ".srw", ".heic", ".heif", ".jxl", ".exr", ".hdr", ".pfm"}
)
# How deep sub-folders are searched for images that are left out.
_DEPTH = 4


@dataclass(frozen=True)
class LrFile:
    """An LR image in the same folder as its original.

    Attributes:
      original: the name of its original.
      path: the file.
      scale: the scale that its name states, or None.
      variant: see `FileName.variant`.
    """

    original: str
    path: Path
    scale: int | None
    variant: str = ""


@dataclass(frozen=True)
class Contents:
    """What a folder holds.

    Attributes:
      originals: files by image name, in order.
      lr: LR images of these originals in the same folder.
      left_out: one sentence for each kind of image that is not among the originals, with counts.
    """

    originals: dict[str, Path]
    lr: tuple[LrFile, ...] = ()
    left_out: tuple[str, ...] = ()


def list_images(folder: Path) -> dict[str, Path]:
    """Returns all image files of a folder by name, in order.

    An image's name is that of its file without suffix. If `a.png` and `a.jpg` exist, the names keep
    their suffixes. Hidden files are left out, among them the "._" files of macOS.
    """
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    counts = Counter(map(stem, paths))
    return {
        stem(path) if counts[stem(path)] == 1 else unicodedata.normalize("NFC", path.name): path
        for path in paths
    }


def stem(path: Path) -> str:
    """Returns the name of a file without suffix, each accent as a part of its letter.

    macOS writes an accent as a character of its own.
    """
    return unicodedata.normalize("NFC", path.stem)


def read_contents(folder: Path) -> Contents:
    """Sorts the image files of a folder by their names, and by their sizes where names do not tell.

    Raises:
      InputError: if two originals have the same name.
    """
    files = list_images(folder)
    parsed = {name: parse_name(stem(path)) for name, path in files.items()}
    bases = {p.base for p in parsed.values() if p.role == "hr"}
    paired = {
        p.base for p in parsed.values() if p.role == "lr" and (p.base in bases or p.base in files)
    }
    originals: dict[str, Path] = {}
    lr: list[LrFile] = []
    alone: list[Path] = []
    results: list[Path] = []
    for name, path in files.items():
        found = parsed[name]
        role = found.role or _role_by_size(found, path, files)
        if role == "result":
            results.append(path)
        elif role == "lr" and (found.role == "" or found.base in paired):
            lr.append(LrFile(found.base, path, found.scale, found.variant))
        elif role == "lr":
            alone.append(path)
        else:
            strip = found.role == "hr" and (found.base in paired or names_srf(stem(path)))
            _add(originals, found.base if strip else name, path)
    left_out = (
        *_named(alone, "look like LR images by their names, and have no original in this folder"),
        *_named(results, "are outputs of other methods or enlarged copies"),
        *_unread(folder),
        *_in_subfolders(folder),
    )
    return Contents(originals, tuple(lr), left_out)


def image_files(folder: Path) -> dict[str, Path]:
    """Returns the originals of a folder by image name, in order: see `read_contents`."""
    return read_contents(folder).originals


def images_below(folder: Path, depth: int = _DEPTH) -> Iterator[tuple[Path, int]]:
    """Yields the folders below a folder that hold images, with their number; hidden ones not."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith(".") or path.is_symlink():
            continue
        if count := len(list_images(path)):
            yield path, count
        if depth > 1:
            yield from images_below(path, depth - 1)


def _add(originals: dict[str, Path], name: str, path: Path) -> None:
    if name in originals:
        raise InputError(
            f"two images have the same name, and scores go by it: {originals[name]} and {path}; "
            "rename one or remove it"
        )
    originals[name] = path


def _role_by_size(found: FileName, path: Path, files: dict[str, Path]) -> str:
    """Returns the role of NAMEx2 beside NAME: half as large is "lr", twice as large "result"."""
    if found.scale is None or found.scale == 1 or found.base not in files:
        return ""
    try:
        with open_image(path) as one, open_image(files[found.base]) as other:
            size, original = one.size, other.size
    except (InputError, OSError):
        return ""
    r = found.scale
    if all(n in (m // r, -(-m // r)) for n, m in zip(size, original, strict=True)):
        return "lr"
    return "result" if size == (original[0] * r, original[1] * r) else ""


def _named(paths: list[Path], why: str) -> list[str]:
    if not paths:
        return []
    return [f"{count_images(len(paths))} in {paths[0].parent} ({paths[0].name}, ...) {why}"]


def _unread(folder: Path) -> list[str]:
    """Counts image files of formats that are not read, by suffix."""
    counts = Counter(
        path.suffix.lower()
        for path in folder.iterdir()
        if _is_unread_image(path) and not path.is_dir()
    )
    return [
        f"{count_images(count)} in {folder} with the suffix {suffix}, which is not read"
        for suffix, count in sorted(counts.items())
    ]


def _is_unread_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix in SUFFIXES:
        return False
    kind = mimetypes.guess_type(f"a{suffix}")[0] or ""
    pillow = Image.MIME.get(Image.registered_extensions().get(suffix, ""), "")
    return suffix in _RAW or kind.startswith("image/") or pillow.startswith("image/")


def _in_subfolders(folder: Path) -> list[str]:
    # Folders of LR images are reported where LR images are looked for.
    counts: Counter[str] = Counter()
    for path, count in images_below(folder):
        counts[path.relative_to(folder).parts[0]] += count
    return [
        f"{count_images(count)} in the sub-folder {folder / name}"
        for name, count in sorted(counts.items())
        if parse_lr_folder(name) is None
    ]


def count_images(count: int) -> str:
    """Returns "1 image" or "N images"."""
    return f"{count} image" + ("s" if count != 1 else "")
