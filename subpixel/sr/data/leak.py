"""Finds training images that are also in a benchmark: the same, or copies of it.

A copy is found by its perceptual hash: imagehash's `phash` of 16x16 bits, which compares lr
frequencies. Measured on the 710 images of Set5, Set14, B100, T91, General100 and BSDS500 train
and test, each pair in eight positions, 251,695 pairs: two different images differ in at least 84
of the 256 bits. Copies of each of the 710 differ from it in at most 16 bits when enlarged, halved,
quartered or saved as JPEG of quality 75 or 30, 28 at quality 10, and 60 with 2% cut from each side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import imagehash
import numpy as np
from PIL import Image

from subpixel.sr.data.images import SourceImage
from subpixel.sr.errors import InputError

HASH_SIZE = 16
# Bits of 256: in the middle between what was measured for copies and for different images.
SUSPICIOUS = 64
# A hash tells nothing about an image without contrast: what it suspects is looked at again.
SAME = 0.7


@dataclass(frozen=True)
class Fingerprint:
    """What an image is recognised by, in hexadecimal digits.

    Attributes:
      digest: SHA-256 of its size and pixels.
      phash: its perceptual hash.
    """

    digest: str
    phash: str


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Returns what an RGB image, uint8 (h, w, 3), is recognised by."""
    digest = sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return Fingerprint(digest.hexdigest(), str(_phash(_thumbnail(image))))


def check_no_leak(
    training: Sequence[SourceImage],
    benchmarks: Sequence[SourceImage],
    fingerprints: Sequence[Fingerprint] | None = None,
) -> None:
    """Compares the contents of the training images with those of the benchmarks.

    Args:
      training: the images to train on.
      benchmarks: the images to measure on.
      fingerprints: those of the training images; by default they are loaded for it.

    Raises:
      InputError: naming both, if a training image is one of a benchmark, or a copy of one that
        was resized, compressed, turned or flipped.
    """
    if fingerprints is None:
        fingerprints = [fingerprint(image.load()) for image in training]
    leaks = [
        f"{image.source} is {other.source}"
        for image, other in _matches(training, fingerprints, benchmarks)
    ]
    if leaks:
        shown = "; ".join(leaks[:5]) + (f"; and {len(leaks) - 5} more" if len(leaks) > 5 else "")
        raise InputError(
            f"{len(leaks)} training images are also in a benchmark, or copies of one that is, "
            f"which would measure memory: {shown}. Leave them out of training with data.exclude"
        )


def _matches(
    training: Sequence[SourceImage],
    fingerprints: Sequence[Fingerprint],
    benchmarks: Sequence[SourceImage],
) -> list[tuple[SourceImage, SourceImage]]:
    if not training or not benchmarks:
        return []
    measured = [_turned_hashes(image.load()) for image in benchmarks]
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
    """Returns the image's digest, and its hash in each of the eight positions."""
    own = fingerprint(image).digest
    return own, [_bits(_phash(turned)) for turned in _turns(_thumbnail(image))]


def _same(one: SourceImage, other: SourceImage) -> bool:
    """Looks at two images again: whether their thumbnails correlate in one of eight positions."""
    first, second = (_standardise(_thumbnail(image.load())) for image in (one, other))
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
