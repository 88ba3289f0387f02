"""Sorts the files of one folder into originals, their LR images, and images that are left out."""

import mimetypes
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.given_lr import LIMIT, distance
from subpixel.sr.data.images import SUFFIXES, open_image, read_image
from subpixel.sr.data.names import (
    FileName,
    loose_names,
    names_srf,
    parse_lr_folder,
    parse_name,
    parse_size_word,
)

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
    """Returns the name of a file without suffix, in the Unicode form NFC.

    macOS stores an accent as a separate character.
    """
    return unicodedata.normalize("NFC", path.stem)


def read_contents(folder: Path) -> Contents:
    """Sorts the image files of a folder by their names, or by their sizes if names are not enough.

    Raises:
      InputError: if two originals have the same name.
    """
    files = list_images(folder)
    parsed = {name: parse_name(stem(path)) for name, path in files.items()}
    parsed |= _by_counterpart(parsed, files)
    bases = {p.base for p in parsed.values() if p.role == "hr"}
    parsed |= _scale_before_word(parsed, {*bases, *files})
    paired = {
        p.base for p in parsed.values() if p.role == "lr" and (p.base in bases or p.base in files)
    }
    originals: dict[str, Path] = {}
    lr: list[LrFile] = []
    alone: list[Path] = []
    results: list[Path] = []
    shrunk: list[Path] = []
    for name, path in files.items():
        found = parsed[name]
        role = found.role or _role_by_size(found, path, files)
        if role == "result":
            results.append(path)
        elif role == "lr" and (found.role == "" or found.base in paired):
            lr.append(LrFile(found.base, path, found.scale, found.variant))
        elif role == "lr":
            alone.append(path)
        elif role == "" and _is_smaller_copy(path, files):
            shrunk.append(path)
        else:
            strip = found.role == "hr" and (found.base in paired or names_srf(stem(path)))
            _add(originals, found.base if strip else name, path)
    left_out = (
        *_named(alone, "look like LR images by their names, and have no original in this folder"),
        *_named(shrunk, "are smaller copies of other images in this folder, by names and pixels"),
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


def _by_counterpart(parsed: dict[str, FileName], files: dict[str, Path]) -> dict[str, FileName]:
    """Returns the names that have a role only beside a counterpart, with scales from the sizes."""
    loose = {
        name: [
            # "im_LR_2" is number 2 beside "im_HR_2", and an LR image for x2 otherwise.
            *(loose_names(stem(path)) if not parsed[name].role or name[-1].isdigit() else ()),
            *([parsed[name]] if parsed[name].role else ()),
        ]
        for name, path in files.items()
    }
    hr = {say.base: name for name, says in loose.items() for say in says if say.role == "hr"}
    found: dict[str, FileName] = {}
    for name, path in files.items():
        says = [say for say in loose[name] if say.role == "lr" and say != parsed[name]]
        # The plain name is that of the LR image where the original's name has a word.
        says += [FileName(name, "lr")] if parsed[name] == FileName(name) and name in hr else []
        for say in says:
            original = hr.get(say.base, say.base if say.base in files else name)
            scale = None if original == name else ratio(path, files[original])
            if scale is not None:
                found[name] = FileName(say.base, "lr", scale)
                found.setdefault(original, FileName(say.base, "hr"))
    return found


def _scale_before_word(parsed: dict[str, FileName], bases: set[str]) -> dict[str, FileName]:
    """Returns the LR images whose scale stands before the word, as in `baby_x2_LR` beside `baby`.

    Beside `baby_x2_HR` the scale belongs to the name.
    """
    found: dict[str, FileName] = {}
    for name, file in parsed.items():
        if file.role == "lr" and file.base not in bases and file.scale is None:
            inner = parse_name(file.base)
            if not inner.role and inner.scale is not None and inner.base in bases:
                found[name] = FileName(inner.base, "lr", inner.scale)
    return found


def _role_by_size(found: FileName, path: Path, files: dict[str, Path]) -> str:
    """Returns the role of NAMEx2 beside NAME: half as large is "lr", twice as large "result"."""
    if found.scale is None or found.scale == 1 or found.base not in files:
        return ""
    if ratio(path, files[found.base], found.scale):
        return "lr"
    return "result" if ratio(files[found.base], path, found.scale) else ""


def ratio(small: Path, large: Path, scale: int | None = None) -> int | None:
    """Returns how many times as wide and as high one image is as another, or None.

    Each size of the smaller is that of the larger by a whole number, rounded down or up.
    """
    try:
        with open_image(small) as one, open_image(large) as other:
            size, original = one.size, other.size
    except (InputError, OSError):
        return None
    for r in (scale,) if scale else range(2, 17):
        if all(m >= r and n in (m // r, -(-m // r)) for n, m in zip(size, original, strict=True)):
            return r
    return None


def _is_smaller_copy(path: Path, files: dict[str, Path]) -> bool:
    """Returns whether an image shows the same as a larger one whose name its own name extends.

    Examples are `baby_small` beside `baby` or `baby_large`, and `baby_4_new` beside `baby`.
    """
    whole = stem(path)
    candidates = [
        whole[:cut] for cut, letter in enumerate(whole) if letter in "xX" or not letter.isalnum()
    ]
    sized = parse_size_word(whole)
    if sized and sized[1]:
        candidates += [
            other for other in files if parse_size_word(stem(files[other])) == (sized[0], False)
        ]
    for candidate in candidates:
        larger = files.get(candidate)
        scale = None if larger in (None, path) else ratio(path, larger)
        if larger is not None and scale is not None and show_the_same(path, larger, scale):
            return True
    return False


def show_the_same(small: Path, large: Path, scale: int) -> bool:
    """Returns whether an image is another one made smaller by a scale."""
    try:
        lr, hr = read_image(small), read_image(large)
    except (InputError, OSError):
        return False
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    return distance(lr[:height, :width], hr[: height * scale, : width * scale]) <= LIMIT


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
