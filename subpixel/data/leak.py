"""Finds training pictures that are also in a benchmark: the same, or copies of it.

A copy is found by its perceptual hash: imagehash's `phash` of 16x16 bits, which compares low
frequencies. Measured on the 710 pictures of Set5, Set14, B100, T91, General100 and BSDS500 train
and test, each pair in eight positions, 251,695 pairs: two different pictures differ in at least 84
of the 256 bits. Copies of each of the 710 differ from it in at most 16 bits when enlarged, halved,
quartered or saved as JPEG of quality 75 or 30, 28 at quality 10, and 60 with 2% cut from each side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import imagehash
import numpy as np
from PIL import Image

from subpixel.data.pictures import Picture
from subpixel.errors import InputError

HASH_SIZE = 16
# Bits of 256: in the middle between what was measured for copies and for different pictures.
SUSPICIOUS = 64
# A hash tells nothing about a picture without contrast: what it suspects is looked at again.
SAME = 0.7


@dataclass(frozen=True)
class Fingerprint:
    """What a picture is recognised by, in hexadecimal digits.

    Attributes:
      digest: SHA-256 of its size and pixels.
      phash: its perceptual hash.
    """

    digest: str
    phash: str


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Returns what an RGB picture, uint8 (h, w, 3), is recognised by."""
    digest = sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return Fingerprint(digest.hexdigest(), str(_phash(_thumbnail(image))))


def check_no_leak(
    training: Sequence[Picture],
    benchmarks: Sequence[Picture],
    fingerprints: Sequence[Fingerprint] | None = None,
) -> None:
    """Compares the contents of the training pictures with those of the benchmarks.

    Args:
      training: the pictures to train on.
      benchmarks: the pictures to measure on.
      fingerprints: those of the training pictures; by default they are loaded for it.

    Raises:
      InputError: naming both, if a training picture is one of a benchmark, or a copy of one that
        was resized, compressed, turned or flipped.
    """
    if fingerprints is None:
        fingerprints = [fingerprint(picture.load()) for picture in training]
    leaks = [
        f"{picture.source} is {other.source}"
        for picture, other in _matches(training, fingerprints, benchmarks)
    ]
    if leaks:
        shown = "; ".join(leaks[:5]) + (f"; and {len(leaks) - 5} more" if len(leaks) > 5 else "")
        raise InputError(
            f"{len(leaks)} training pictures are also in a benchmark, or copies of one that is, "
            f"which would measure memory: {shown}. Leave them out of training with data.exclude"
        )


def _matches(
    training: Sequence[Picture], fingerprints: Sequence[Fingerprint], benchmarks: Sequence[Picture]
) -> list[tuple[Picture, Picture]]:
    if not training or not benchmarks:
        return []
    measured = [_turned_hashes(picture.load()) for picture in benchmarks]
    hashes = np.array([_bits(imagehash.hex_to_hash(f.phash)) for f in fingerprints])
    turned = np.array([bits for _, turns in measured for bits in turns])
    # Of vectors of +1 and -1 the product counts equal bits less different ones.
    different = (hashes.shape[1] - hashes @ turned.T) / 2
    closest = different.reshape(len(training), len(benchmarks), 8).min(axis=2)
    return [
        (training[i], benchmarks[j])
        for i, j in np.argwhere(closest <= SUSPICIOUS).tolist()
        if fingerprints[i].digest == measured[j][0] or _same(training[i], benchmarks[j])
    ]


def _turned_hashes(image: np.ndarray) -> tuple[str, list[np.ndarray]]:
    """Returns the picture's digest, and its hash in each of the eight positions."""
    own = fingerprint(image).digest
    return own, [_bits(_phash(turned)) for turned in _turns(_thumbnail(image))]


def _same(one: Picture, other: Picture) -> bool:
    """Looks at two pictures again: whether their thumbnails correlate in one of eight positions."""
    first, second = (_standardise(_thumbnail(picture.load())) for picture in (one, other))
    return max(float((first * turned).sum()) for turned in _turns(second)) >= SAME


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """Returns luma in the size from which `phash` computes: the square is what is turned."""
    size = (HASH_SIZE * 4, HASH_SIZE * 4)
    return np.asarray(Image.fromarray(image).convert("L").resize(size, Image.Resampling.LANCZOS))


def _turns(image: np.ndarray) -> list[np.ndarray]:
    return [np.rot90(side, turn) for side in (image, image[:, ::-1]) for turn in range(4)]


def _standardise(thumbnail: np.ndarray) -> np.ndarray:
    values = thumbnail - thumbnail.mean()
    return values / max(float(np.linalg.norm(values)), thumbnail.shape[0])


def _phash(thumbnail: np.ndarray) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(np.ascontiguousarray(thumbnail)), hash_size=HASH_SIZE)


def _bits(value: imagehash.ImageHash) -> np.ndarray:
    return np.where(value.hash.ravel(), np.float32(1), np.float32(-1))
