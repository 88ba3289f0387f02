"""Finds folders of LR images by the names and sizes of their files, whatever the folder's name."""

import os
from collections.abc import Iterator
from pathlib import Path

from subpixel.sr.data.contents import count_images, list_images, ratio, show_the_same, stem
from subpixel.sr.data.names import parse_name

# Names of folders of one scale, below a folder of LR images.
_SCALES = ("", *(f"{mark}{scale}" for scale in (2, 3, 4, 8) for mark in ("x", "X")))

# Folders that are repeated in the folders of originals and of LR images, besides numbers.
_PARTS = frozenset({"sequences", "train", "training", "val", "valid", "validation", "test"})


def lookalike_notes(folder: Path, originals: dict[str, Path], known: list[Path]) -> list[str]:
    """Returns one sentence for each folder whose images, not its name, show LR images.

    Args:
      folder: the folder of the originals.
      originals: files by image name.
      known: folders of LR images that their names show.
    """
    done = {path.absolute() for path in known}
    return [
        f"{count_images(len(list_images(path)))} in {path} look like LR images of these originals "
        f"for x{scale} by their names and sizes, and their folder is not named so: they are not "
        "used"
        for path, scale in _find_lookalikes(folder, originals).items()
        if path not in done
    ]


def _find_lookalikes(folder: Path, originals: dict[str, Path]) -> dict[Path, int]:
    """Returns folders beside the originals whose images look like their LR images.

    At least half of the originals have a file of their name there, and the first of these shows
    the same with a size that is smaller by a whole number, the scale that is returned.
    """
    names = {parse_name(stem(path)).base: path for path in originals.values()}
    found: dict[Path, int] = {}
    for path in _candidates(folder):
        try:
            files = {parse_name(stem(file)).base: file for file in list_images(path).values()}
        except OSError:
            continue
        shared = sorted(names.keys() & files.keys())
        if not shared or 2 * len(shared) < len(names):
            continue
        small, large = files[shared[0]], names[shared[0]]
        scale = ratio(small, large)
        if scale is not None and show_the_same(small, large, scale):
            found[path] = scale
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    """Yields the folders that lie beside the originals as a folder of LR images may.

    `train_sharp_bicubic/X4/000` lies so beside `train_sharp/000` (REDS), and
    `vimeo_LRx4/sequences/00001/0001` beside `vimeo/sequences/00001/0001`, `X2/val` beside `HR/val`.
    """
    anchor = folder = folder.absolute()
    while anchor.name:
        tail = folder.relative_to(anchor)
        for place in _folders_in(anchor.parent):
            if place != anchor:
                paths = (place / scale / tail for scale in _SCALES)
                yield from (path for path in paths if _is_folder(path))
        if not (anchor.name.isdigit() or anchor.name.lower() in _PARTS):
            return
        anchor = anchor.parent


def _folders_in(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir()
            )
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
