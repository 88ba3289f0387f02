"""Finds training images that are also in a benchmark: equal pixels, or a similar perceptual hash.

The hash is imagehash's `phash` of 16x16 bits. It was measured on the 710 images of Set5, Set14,
B100, T91, General100 and BSDS500 train and test, each pair in eight positions, 251,695 pairs. Two
different photographs differ in at least 84 of the 256 bits. Copies of each of the 710 differ in at
most 16 bits when enlarged, halved, quartered or saved as JPEG of quality 75 or 30, 28 at quality
10, and 60 with 2% cut from each side. Different images that are not natural scenes (scans of heads,
forms, icons) can be equally close, so a similar hash alone is a warning.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import imagehash
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import OnLeak
from subpixel.sr.data.pairs import Pair

HASH_SIZE = 16
# Of 256 bits: between the largest distance of copies and the smallest of different photographs.
SIMILAR = 64
SHOWN = 5

_log = logging.getLogger("subpixel")


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 of size and pixels of an image, and its perceptual hash, in hexadecimal digits."""

    digest: str
    phash: str


def fingerprint(image: UInt8[np.ndarray, "h w 3"]) -> Fingerprint:
    """Computes the fingerprint of an RGB image, uint8 (h, w, 3)."""
    return Fingerprint(_digest(image), str(_phash(_thumbnail(image))))


def check_no_leak(
    training: Sequence[Pair],
    benchmarks: Sequence[Pair],
    fingerprints: Sequence[Fingerprint] | None = None,
    on_leak: OnLeak = "stop",
) -> str:
    """Compares the training images with those of the benchmarks.

    Without the fingerprints of the training images, those are loaded.

    Returns:
      What was logged as a warning: the training images whose pixels equal those of an image of a
      benchmark, and those that look like one; "" if there are none.

    Raises:
      InputError: naming both, if the pixels of a training image equal those of an image of a
        benchmark, and `on_leak` is "stop".
    """
    if fingerprints is None:
        fingerprints = [fingerprint(pair.hr.load()) for pair in training]
    equal, similar = find_copies(fingerprints, benchmarks)
    if equal and on_leak == "stop":
        named = [f"{training[i].hr.source} is {benchmarks[j].hr.source}" for i, j in equal.items()]
        raise InputError(
            f"{_count(named, 'are also in a benchmark, which would measure memory')}. Leave them "
            "out of training with data.exclude; data.on_leak=warn trains on them and the results "
            "say so"
        )
    # The sentences are stored with the results, which must not hold paths of this machine.
    sentences = [
        _count(
            [
                f"{training[i].hr.short_source} {verb} {benchmarks[j].hr.short_source}"
                for i, j in found.items()
            ],
            what,
        )
        for found, verb, what in (
            (equal, "is", "are also in a benchmark, which would measure memory"),
            (similar, "looks like", "look like images of a benchmark, by their perceptual hashes"),
        )
        if found
    ]
    if similar:
        sentences[-1] += ". If they are copies, leave them out with data.exclude"
    for sentence in sentences:
        _log.warning("%s", sentence)
    return ". ".join(sentences)


def find_copies(
    fingerprints: Sequence[Fingerprint], others: Sequence[Pair]
) -> tuple[dict[int, int], dict[int, int]]:
    """Finds the images that are, or look like, one of some others, also flipped or rotated.

    Returns:
      The index of the first equal one among `others` by the index of the image, and the index of
      the most similar one for images that equal none.
    """
    if not fingerprints or not others:
        return {}, {}
    hashes = np.array([_bits(imagehash.hex_to_hash(known.phash)) for known in fingerprints])
    digests: dict[str, int] = {}
    rotated = []
    for j, other in enumerate(others):
        image = other.hr.load()
        digests.setdefault(_digest(image), j)
        rotated += [_bits(_phash(position)) for position in positions(_thumbnail(image))]
    # The product of two vectors of +1 and -1 is the number of equal bits minus that of others.
    different = (hashes.shape[1] - hashes @ np.array(rotated).T) / 2
    closest = different.reshape(len(fingerprints), len(others), 8).min(axis=2)
    equal = {i: digests[k.digest] for i, k in enumerate(fingerprints) if k.digest in digests}
    similar = {
        i: int(row.argmin())
        for i, row in enumerate(closest)
        if i not in equal and row.min() <= SIMILAR
    }
    return equal, similar


def positions(image: Shaped[np.ndarray, "n n"]) -> list[Shaped[np.ndarray, "n n"]]:
    """Returns a square array in the eight positions that flips and rotations give."""
    return [np.rot90(side, count) for side in (image, image[:, ::-1]) for count in range(4)]


def shorten(items: Sequence[str]) -> str:
    """Joins the first five items with semicolons, and adds the number of the others."""
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def _count(named: Sequence[str], what: str) -> str:
    return f"{len(named)} training images {what}: {shorten(named)}"


def _digest(image: np.ndarray) -> str:
    digest = sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _thumbnail(image: np.ndarray) -> np.ndarray:
    size = (HASH_SIZE * 4, HASH_SIZE * 4)
    return np.asarray(Image.fromarray(image).convert("L").resize(size, Image.Resampling.LANCZOS))


def _phash(thumbnail: np.ndarray) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(np.ascontiguousarray(thumbnail)), hash_size=HASH_SIZE)


def _bits(value: imagehash.ImageHash) -> np.ndarray:
    return np.where(value.hash.ravel(), np.float32(1), np.float32(-1))
