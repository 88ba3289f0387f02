"""Recognises how a set lies on disk: where its originals are, and where its low resolution.

- a plain folder of originals;
- `HR/`, with `LR_bicubic/X2/NAMEx2.png` (EDSR's benchmarks), or with `LR/X2/`, or `LR/` alone;
- `GTmod12/`, with `LRbicx2/` (BasicSR's);
- `DIV2K_train_HR/`, with `DIV2K_train_LR_bicubic/X2/0001x2.png` and `DIV2K_train_LR_unknown/X2/`.

Names of folders are compared without case.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from subpixel.sr.data.images import SUFFIXES
from subpixel.sr.errors import InputError

_ORIGINALS = re.compile(r"(?P<prefix>|.+_)(HR|GT|GTmod\d+)", re.IGNORECASE)
SPLITS = frozenset({"train", "valid", "val", "test"})


def set_name(folder: Path) -> str:
    """Returns the name of the set that a folder holds: "Set5" for Set5, Set5/HR, Set5/GTmod12.

    A split is named with its set: "BSDS500_val", "DIV2K_valid".
    """
    name = folder.name or folder.resolve().name
    found = _ORIGINALS.fullmatch(name)
    if found and found["prefix"]:
        return found["prefix"].removesuffix("_")
    parent = folder.parent.name
    if found and parent:
        return parent
    return f"{parent}_{name}" if name in SPLITS and parent else name


def find_originals(folder: Path) -> Path | None:
    """Returns the folder that holds the originals of a set.

    Args:
      folder: the set's folder, that of its originals, or SET/SPLIT where SET has a folder
        X_SPLIT_HR, as in DIV2K/train.

    Returns:
      The folder, or None if there is none.

    Raises:
      InputError: if the folder has no images, or more than one set.
    """
    if not folder.is_dir():
        return _find(folder.parent, rf".+_{re.escape(folder.name)}_HR")
    originals = sorted(
        path for path in folder.iterdir() if path.is_dir() and _ORIGINALS.fullmatch(path.name)
    )
    plain = bool(image_files(folder))
    if plain + len(originals) > 1:
        named = [str(path) for path in originals]
        raise InputError(
            f"folder {folder} holds more than one set: "
            f"{', '.join(['images of its own'] * plain + named)}; name the one that is meant, "
            f"such as {named[0]}"
        )
    if plain:
        return folder
    if originals:
        return originals[0]
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
    raise InputError(
        f"folder {folder} has no images: it must hold files that end in "
        f"{' '.join(sorted(SUFFIXES))}"
        + (f"; of its folders ({', '.join(inside[:5])}) name the one that does" if inside else "")
    )


def find_lr(originals: Path, scale: int, kind: str) -> Path | None:
    """Returns the folder of low resolution that belongs to a folder of originals, or None.

    Args:
      originals: that folder.
      scale: r.
      kind: "bicubic" or "unknown".
    """
    found = _ORIGINALS.fullmatch(originals.name)
    if found is None:
        return None
    prefix = re.escape(found["prefix"])
    layouts = [[f"{prefix}LR_{kind}", f"X{scale}"], [f"{prefix}LR", f"X{scale}"]]
    if kind == "bicubic":
        layouts.append([f"{prefix}LRbicx{scale}"])
    for layout in layouts:
        folder: Path | None = originals.parent
        for part in layout:
            folder = folder and _find(folder, part)
        if folder is not None:
            return folder
    plain = _find(originals.parent, f"{prefix}LR")
    return plain if plain is not None and image_files(plain) else None


def image_files(folder: Path) -> dict[str, Path]:
    """Returns the image files of a folder by their names without suffix, in order.

    Hidden files are left out, among them the "._" files of macOS.

    Raises:
      InputError: if two have the same name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        # macOS writes an accent as a character of its own, others as a part of the letter.
        name = unicodedata.normalize("NFC", path.stem)
        if name in files:
            raise InputError(
                f"two images have the same name, and scores go by it: {files[name]} and {path}; "
                "rename one or remove it"
            )
        files[name] = path
    return files


def match_lr(originals: dict[str, Path], lr: Path, scale: int) -> dict[str, Path]:
    """Returns the low resolution of each original: a file NAMEx2 or NAME of the folder `lr`.

    Raises:
      InputError: naming it, if an image is in only one of the two, or twice.
    """
    matched: dict[str, Path] = {}
    for name, path in image_files(lr).items():
        original = name if name in originals else re.sub(rf"x{scale}$", "", name, flags=re.I)
        if original not in originals:
            raise InputError(_unmatched(path, next(iter(originals.values())).parent))
        if original in matched:
            raise InputError(
                f"two files are the low resolution of {originals[original]}: {matched[original]} "
                f"and {path}; remove one"
            )
        matched[original] = path
    missing = [path for name, path in originals.items() if name not in matched]
    if missing:
        raise InputError(_unmatched(missing[0], lr, missing[1:]))
    return matched


def _unmatched(path: Path, folder: Path, others: Iterable[Path] = ()) -> str:
    more = len(list(others))
    return (
        f"image {path} has no counterpart in {folder}"
        + (f", and {more} more have none" if more else "")
        + ": complete the copy, or remove it"
    )


def _find(parent: Path, name: str) -> Path | None:
    """Returns the folder in `parent` whose whole name matches, without case."""
    if not parent.is_dir():
        return None
    pattern = re.compile(name, re.IGNORECASE)
    return next(
        (p for p in sorted(parent.iterdir()) if p.is_dir() and pattern.fullmatch(p.name)), None
    )
