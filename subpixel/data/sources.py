"""Finds pictures by the name of a source, and makes pairs of low and high resolution of them."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from subpixel.data.embedded import SETS, embedded_pictures
from subpixel.data.pictures import SUFFIXES, Picture, read_picture
from subpixel.errors import InputError
from subpixel.image import imresize, modcrop, rgb_to_luma
from subpixel.image.resize import Border

EMBEDDED = "embedded:"


def data_root(given: Path | None) -> Path | None:
    """Returns where data sets lie: what was given, or the environment variable SUBPIXEL_DATA."""
    if given is None and "SUBPIXEL_DATA" in os.environ:
        given = Path(os.environ["SUBPIXEL_DATA"])
    if given is not None and not given.is_dir():
        raise InputError(
            f"the data root {given} is not a folder: set SUBPIXEL_DATA or --data-root to one"
        )
    return given


def source_name(source: str) -> str:
    """Returns the name under which a source's results appear: that of the folder."""
    return source if source.startswith(EMBEDDED) else Path(source).name


def find_pictures(source: str, root: Path | None) -> list[Picture]:
    """Returns the pictures of a source in the order of their names.

    Args:
      source: "embedded:train", "embedded:test", or a folder: a path as it is, or one under `root`.
      root: where data sets lie, or None.

    Raises:
      InputError: if there is no such source, or no picture in it.
    """
    if source.startswith(EMBEDDED):
        name = source.removeprefix(EMBEDDED)
        if name not in SETS:
            raise InputError(f"unknown source {source!r}: there is embedded:{{{','.join(SETS)}}}")
        return embedded_pictures(name)
    folder = _find_folder(source, root)
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise InputError(
            f"folder {folder} has no pictures: it must hold files that end in "
            f"{' '.join(sorted(SUFFIXES))}"
        )
    return [Picture(path.stem, str(path), lambda path=path: read_picture(path)) for path in paths]


def find_benchmarks(sources: Sequence[str], root: Path | None) -> dict[str, list[Picture]]:
    """Returns the pictures of several sources, each by the name of its folder.

    Raises:
      InputError: if a source is not found, or two have the same name.
    """
    names = [source_name(source) for source in sources]
    if len(set(names)) < len(names):
        raise InputError(
            f"two benchmarks have the same name, and figures go by it: {', '.join(sources)}"
        )
    return {name: find_pictures(s, root) for name, s in zip(names, sources, strict=True)}


def _find_folder(source: str, root: Path | None) -> Path:
    candidates = [Path(source)] if root is None else [root / source, Path(source)]
    for folder in candidates:
        if folder.is_dir():
            return folder
    where = (
        "SUBPIXEL_DATA and --data-root are not set: one of them says where data sets lie"
        if root is None
        else f"it is neither under the data root, {root}, nor a path from here"
    )
    raise InputError(f"data set {source!r} was not found: {where}")


def load_pairs(
    pictures: Iterable[Picture], scale: int, channels: int, least: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the low and high resolution of each picture, the low made by MATLAB's bicubic.

    Args:
      pictures: what to load.
      scale: r.
      channels: 1 for luma, 3 for RGB.
      least: the smallest height and width allowed, in low-resolution pixels.

    Returns:
      Pairs of uint8 arrays, (h, w, channels) and (r*h, r*w, channels).

    Raises:
      InputError: if a picture cannot be read, or is too small.
    """
    pairs = []
    for picture in pictures:
        high = picture.load()
        if min(high.shape[:2]) < least * scale:
            raise InputError(
                f"picture {picture.source} has {high.shape[1]}x{high.shape[0]} pixels, and a patch "
                f"takes {least * scale}x{least * scale}: remove it or lower data.patch_size"
            )
        pairs.append(make_pair(high, scale, channels))
    return pairs


def make_pair(high: np.ndarray, scale: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Crops an RGB picture to a multiple of the scale and shrinks it: one of `load_pairs`."""
    high = modcrop(high, scale)
    low = make_low(high, scale)
    return (rgb_to_luma(low), rgb_to_luma(high)) if channels == 1 else (low, high)


def make_low(high: np.ndarray, scale: int, border: Border = "symmetric") -> np.ndarray:
    """Shrinks a picture, whose sizes the scale divides, by MATLAB's bicubic."""
    return imresize(high, 1 / scale, border=border)


def check_no_leak(training: Sequence[Picture], benchmarks: Sequence[Picture]) -> None:
    """Compares the contents of the training pictures with those of the benchmarks.

    Raises:
      InputError: naming both, if a training picture is also in a benchmark.
    """
    measured = {_digest(picture): picture for picture in benchmarks}
    leaks = [
        f"{picture.source} is {measured[digest].source}"
        for picture in training
        if (digest := _digest(picture)) in measured
    ]
    if leaks:
        shown = "; ".join(leaks[:5]) + (f"; and {len(leaks) - 5} more" if len(leaks) > 5 else "")
        raise InputError(
            f"{len(leaks)} training pictures are also in a benchmark, which would measure memory: "
            f"{shown}. Remove them from one of the two"
        )


def _digest(picture: Picture) -> bytes:
    pixels = picture.load()
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
