"""Prepares images for training: decoded once, kept in memory or in a cache on disk.

A cache is a folder of two files. `pixels` has the arrays of all pairs, each LR image before its
original, and is mapped into memory. `index.json` has the sizes and times of the source files, and
the shapes and fingerprint of each pair. Settings and the paths of the images name the folder. If a
source file has another size or time, the cache is made again; no tool can set back the time of
change.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from filelock import FileLock

from subpixel.image import rgb_to_luma
from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.threads import map_in_threads, processors
from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.data.leak import Fingerprint, fingerprint
from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.data.patches import PixelPair, PixelPairs

VERSION = 3
PIXELS, INDEX = "pixels", "index.json"
# Decoding releases Python's global lock; each thread holds one image.
THREADS = min(processors(), 4)
# Bytes of files up to which a set needs no cache: they are decoded in about three seconds.
SMALL = 32 * 2**20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """Decoded images, LR and HR: views of a cache in `folder`, if that is not None."""

    pairs: PixelPairs
    fingerprints: list[Fingerprint]
    folder: Path | None = None


def prepare(
    images: Sequence[Pair],
    scale: int,
    channels: int,
    degradation: Degradation = BICUBIC,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    small: int = SMALL,
    min_size: int = 1,
) -> Prepared:
    """Returns the LR and HR images of a set, from a cache if the set is large.

    Two processes that prepare the same images do it once: the second waits.

    Args:
      images: what to load, found for this scale and degradation.
      scale, degradation: of LR images that the set does not have.
      channels: 1 for luma, 3 for RGB.
      cache: where caches lie; by default `cache_root()`.
      progress: called with the number of images done and that of all.
      small: how many bytes of files are decoded into memory without a cache.
      min_size: the smallest height and width allowed, in low-resolution pixels.

    Raises:
      InputError: naming every image that cannot be read, is too small, or differs from its LR
        image.
      OSError: if the cache cannot be written; a part of it is removed.
    """
    progress = progress or (lambda done, total: None)
    decode = partial(_decoded, images, scale, channels, degradation, min_size, progress)
    prepared = None
    if all(image.files for image in images):
        settings = {"scale": scale, "channels": channels, "degradation": asdict(degradation)}
        folder, sources = cache_root(cache) / cache_name(images, settings), _stamps(images)
        prepared = _open(folder, sources)
        if prepared is None and sum(size for size, *_ in sources.values()) > small:
            prepared = _make(folder, sources, decode)
    if prepared is None:
        decoded = list(decode())
        return Prepared([pair for pair, _ in decoded], [known for _, known in decoded])
    shapes = zip(images, (lr.shape for lr, _ in prepared.pairs), strict=True)
    _refuse([text for image, lr in shapes if (text := _too_small(image, lr, min_size))])
    return prepared


def cache_name(images: Sequence[Pair], settings: dict[str, Any]) -> str:
    """Returns the name of the folder for images and settings."""
    places = [(p.hr.source, p.hr.shrink, *(str(f.absolute()) for f in p.files)) for p in images]
    identity = {"version": VERSION, "pillow": PIL.__version__, "images": places, **settings}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]


def _stamps(images: Sequence[Pair]) -> dict[str, list[int]]:
    states = {str(file.absolute()): file for image in images for file in image.files}
    return {
        name: [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        for name, file in states.items()
        if file.exists() and (found := file.stat())
    }


def _open(folder: Path, sources: dict[str, list[int]]) -> Prepared | None:
    try:
        index = json.loads((folder / INDEX).read_text())
        if index["sources"] != sources:
            return None
        shapes = [tuple(shape) for entry in index["images"] for shape in entry["shapes"]]
        known = [Fingerprint(**entry["fingerprint"]) for entry in index["images"]]
        # A plain view, since slicing a memmap takes longer than cutting a patch.
        pixels = np.memmap(folder / PIXELS, np.uint8, "r").view(np.ndarray)
        bounds = np.cumsum([0, *map(math.prod, shapes)]).tolist()
        if bounds[-1] != pixels.size:
            return None
        views = [
            pixels[start:end].reshape(shape)
            for (start, end), shape in zip(pairwise(bounds), shapes, strict=True)
        ]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Prepared(list(zip(views[::2], views[1::2], strict=True)), known, folder)


def _make(
    folder: Path,
    sources: dict[str, list[int]],
    decode: Callable[[], Iterator[tuple[PixelPair, Fingerprint]]],
) -> Prepared | None:
    part = folder.with_name(f"{folder.name}.part")
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if found := _open(folder, sources):
                return found
            shutil.rmtree(part, ignore_errors=True)  # the remains of a killed process
            try:
                part.mkdir()
                entries = []
                with (part / PIXELS).open("wb") as file:
                    for pair, known in decode():
                        for image in pair:
                            file.write(image.tobytes())
                        shapes = [image.shape for image in pair]
                        entries.append({"shapes": shapes, "fingerprint": asdict(known)})
                index = json.dumps({"sources": sources, "images": entries})
                (part / INDEX).write_text(index)
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            return _open(folder, sources)


def _decoded(
    images: Sequence[Pair],
    scale: int,
    channels: int,
    degradation: Degradation,
    min_size: int,
    progress: Progress,
) -> Iterator[tuple[PixelPair, Fingerprint]]:
    def decode(image: Pair) -> tuple[PixelPair, Fingerprint] | str:
        try:
            hr = image.hr.load()
            known = fingerprint(hr)
            lr, hr = load_pair(image, scale, degradation, hr)
        except InputError as error:
            return str(error)
        pixels = (_luma(lr), _luma(hr)) if channels == 1 else (lr, hr)
        return _too_small(image, lr.shape, min_size) or (pixels, known)

    progress(0, len(images))
    problems: list[str] = []
    for done, decoded in enumerate(map_in_threads(decode, images, THREADS), start=1):
        if isinstance(decoded, str):
            problems.append(decoded)
        elif not problems:
            yield decoded
        progress(done, len(images))
    _refuse(problems)


def _luma(image: np.ndarray) -> np.ndarray:
    """Returns luma strip by strip, since it is computed in floating point."""
    strips = range(0, image.shape[0], 256)
    return np.concatenate([rgb_to_luma(image[start : start + 256]) for start in strips])


def _too_small(image: Pair, lr: tuple[int, ...], min_size: int) -> str:
    """Returns the message for an image that is smaller than a patch, "" for any other."""
    if min(lr[:2]) >= min_size:
        return ""
    return (
        f"image {image.hr.source} has {lr[1]}x{lr[0]} low-resolution pixels, and a patch "
        f"takes {min_size}x{min_size}: remove it or lower data.patch_size"
    )


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        count = f"{len(problems)} images cannot be used: " if len(problems) > 1 else ""
        raise InputError(count + "; ".join(problems))


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        root, path = folder.parent, error.filename and Path(error.filename)
        if path and not (path.is_relative_to(root) or root.is_relative_to(path)):
            raise  # the error of an image, which names it
        raise OSError(
            f"the cache of decoded images, {folder}, cannot be written: {error.strerror}. Free "
            "space there, or set SUBPIXEL_CACHE to another folder"
        ) from error
