"""Prepares images for training: decoded once, kept in memory or in a cache."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    Pairs,
    cache_name,
    new_cache,
    open_cache,
    write_index,
    write_pairs,
)
from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.data.images import SourceImage, open_image
from subpixel.sr.data.leak import Fingerprint, fingerprint
from subpixel.sr.data.patches import Pair
from subpixel.sr.data.sources import find_images, make_pair

# Decoding releases Python's global lock; each thread holds one image.
THREADS = min(processors(), 4)
# Decoded bytes up to which a set needs no cache: it is decoded in about three seconds.
SMALL = 64 * 2**20

Progress = Callable[[int, int], None]


def prepare(
    images: Sequence[SourceImage],
    scale: int,
    channels: int,
    degradation: Degradation = BICUBIC,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    small: int = SMALL,
    least: int = 1,
) -> Pairs:
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
      least: the smallest height and width allowed, in low-resolution pixels.

    Raises:
      InputError: if an image cannot be read, is too small, or differs from its LR image.
      OSError: if the cache cannot be written; a part of it is removed.
    """
    progress = progress or (lambda done, total: None)
    decoded = partial(_decoded, images, scale, channels, degradation, least, progress)
    settings = {"scale": scale, "channels": channels, "degradation": asdict(degradation)}
    folder = cache_root(cache) / cache_name(images, settings)
    on_disk = all(image.files for image in images)
    pairs = open_cache(folder) if on_disk else None
    if pairs is None and (not on_disk or _decoded_size(images, scale, channels) <= small):
        memory = io.BytesIO()
        entries = write_pairs(memory, images, decoded())
        return Pairs(np.frombuffer(memory.getbuffer(), np.uint8), entries)
    pairs = pairs or _make(folder, images, decoded)
    for image, shape in zip(images, pairs.lr_shapes, strict=True):
        _check_size(image, shape, least)
    return pairs


@dataclass(frozen=True)
class CachedSets:
    """Sets of images whose cache is on the disk.

    Attributes:
      folder: of the cache.
      images: number of images.
      given: number of those whose LR image comes from the set.
      made: whether the cache was made now; otherwise it was there already.
      size: in bytes.
    """

    folder: Path
    images: int
    given: int
    made: bool
    size: int


def cache_sets(
    names: Sequence[str],
    root: Path | None,
    scale: int,
    channels: int,
    degradation: Degradation = BICUBIC,
    *,
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
) -> CachedSets:
    """Makes the cache of sets of images, or finds that it is there already.

    Args:
      names: of the sets, as in `find_images`.
      root: folder of the data sets, or None.
      scale: r.
      channels: 1 for luma, 3 for RGB.
      degradation: how LR images are made if the set has none.
      exclude: names of images that are left out.
      progress: as in `prepare`; it is called only if the cache is made.

    Raises:
      InputError: as `find_images` and `prepare`, or if the images do not come from files.
    """
    images = [
        image
        for name in names
        for image in find_images(name, root, scale, degradation)
        if image.name not in exclude
    ]
    made = False

    def follow(done: int, total: int) -> None:
        nonlocal made
        made = True
        if progress is not None:
            progress(done, total)

    folder = prepare(images, scale, channels, degradation, None, follow, small=0).folder
    if folder is None:
        raise InputError(f"{' '.join(names)} does not lie on disk: there is nothing to keep")
    given = sum(image.load_lr is not None for image in images)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return CachedSets(folder, len(images), given, made, size)


def _make(
    folder: Path,
    images: Sequence[SourceImage],
    decoded: Callable[[], Iterator[tuple[Pair, Fingerprint]]],
) -> Pairs:
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
        return Pairs(np.memmap(folder / PIXELS, np.uint8, "r"), entries, folder)
    finally:
        lock.release()


def _decoded(
    images: Sequence[SourceImage],
    scale: int,
    channels: int,
    degradation: Degradation,
    least: int,
    progress: Progress,
) -> Iterator[tuple[Pair, Fingerprint]]:
    """Decodes images in their order, a few in parallel."""

    def decode(image: SourceImage) -> tuple[Pair, Fingerprint]:
        hr = image.load()
        known = fingerprint(hr)
        lr, hr = make_pair(image, hr, scale, degradation)
        _check_size(image, lr.shape, least)
        return ((_luma(lr), _luma(hr)) if channels == 1 else (lr, hr)), known

    progress(0, len(images))
    for done, decoded in enumerate(map_in_threads(decode, images, THREADS), start=1):
        yield decoded
        progress(done, len(images))


def _luma(image: np.ndarray) -> np.ndarray:
    """Returns luma strip by strip, since it is computed in floating point."""
    strips = range(0, image.shape[0], 256)
    return np.concatenate([rgb_to_luma(image[start : start + 256]) for start in strips])


def _check_size(image: SourceImage, lr: tuple[int, ...], least: int) -> None:
    if min(lr[:2]) < least:
        raise InputError(
            f"image {image.source} has {lr[1]}x{lr[0]} low-resolution pixels, and a patch "
            f"takes {least}x{least}: remove it or lower data.patch_size"
        )


def _decoded_size(images: Sequence[SourceImage], scale: int, channels: int) -> float:
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
