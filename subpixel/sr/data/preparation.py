"""Prepares images for training: decoded once, kept in memory or in a cache."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from subpixel.image import rgb_to_luma
from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.threads import map_in_threads, processors
from subpixel.sr.data.cache import (
    PIXELS,
    PixelPairs,
    cache_name,
    new_cache,
    open_cache,
    write_index,
    write_pairs,
)
from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.data.images import open_image
from subpixel.sr.data.leak import Fingerprint, fingerprint
from subpixel.sr.data.pairs import Pair, make_pair
from subpixel.sr.data.patches import PixelPair

# Decoding releases Python's global lock; each thread holds one image.
THREADS = min(processors(), 4)
# Decoded bytes up to which a set needs no cache: it is decoded in about three seconds.
SMALL = 64 * 2**20

Progress = Callable[[int, int], None]


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
) -> PixelPairs:
    """Returns the LR and HR images of a set, from a cache if the set is large.

    Two processes that prepare the same images do it once: the second waits.

    Args:
      images: what to load, found for this scale and degradation.
      scale: r.
      channels: 1 for luma, 3 for RGB.
      degradation: how LR images are made if the set has none.
      cache: where caches lie; by default `cache_root()`.
      progress: called with the number of images done and that of all.
      small: how many decoded bytes are kept in memory without a cache.
      min_size: the smallest height and width allowed, in low-resolution pixels.

    Raises:
      InputError: naming every image that cannot be read, is too small, or differs from its LR
        image.
      OSError: if the cache cannot be written; a part of it is removed.
    """
    progress = progress or (lambda done, total: None)
    decoded = partial(_decoded, images, scale, channels, degradation, min_size, progress)
    settings = {"scale": scale, "channels": channels, "degradation": asdict(degradation)}
    folder = cache_root(cache) / cache_name(images, settings)
    on_disk = all(image.files for image in images)
    pairs = open_cache(folder) if on_disk else None
    if pairs is None and (not on_disk or _decoded_size(images, scale, channels) <= small):
        memory = io.BytesIO()
        entries = write_pairs(memory, images, decoded())
        return PixelPairs(np.frombuffer(memory.getbuffer(), np.uint8), entries)
    pairs = pairs or _make(folder, images, decoded)
    small_images = [
        message
        for image, shape in zip(images, pairs.lr_shapes, strict=True)
        if (message := _too_small(image, shape, min_size))
    ]
    _refuse(small_images)
    return pairs


def _make(
    folder: Path,
    images: Sequence[Pair],
    decoded: Callable[[], Iterator[tuple[PixelPair, Fingerprint]]],
) -> PixelPairs:
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        lock.acquire()
    try:
        pairs = open_cache(folder)
        if pairs is not None:
            return pairs
        with _explained(folder), new_cache(folder) as part:
            with (part / PIXELS).open("wb") as file:
                entries = write_pairs(file, images, decoded())
            write_index(part, entries)
        return PixelPairs(np.memmap(folder / PIXELS, np.uint8, "r"), entries, folder)
    finally:
        lock.release()


def _decoded(
    images: Sequence[Pair],
    scale: int,
    channels: int,
    degradation: Degradation,
    min_size: int,
    progress: Progress,
) -> Iterator[tuple[PixelPair, Fingerprint]]:
    """Decodes images in their order, a few in parallel."""

    def decode(image: Pair) -> tuple[PixelPair, Fingerprint] | str:
        try:
            hr = image.hr.load()
            known = fingerprint(hr)
            lr, hr = make_pair(image, hr, scale, degradation)
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
    """Raises one error with all problems, if there are any."""
    if len(problems) > 1:
        raise InputError(f"{len(problems)} images cannot be used: {'; '.join(problems)}")
    if problems:
        raise InputError(problems[0])


def _decoded_size(images: Sequence[Pair], scale: int, channels: int) -> float:
    """Returns how many bytes the pairs will have, by what the files say of their sizes."""
    pixels = 0
    for image in images:
        try:
            with open_image(image.files[0]) as opened:
                pixels += opened.width * opened.height
        except (InputError, OSError):
            # The file is no single image, or it is damaged; decoding names it.
            return float("inf")
    return pixels * channels * (1 + 1 / scale**2)


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
