"""Finds training images that are also in a benchmark: the same, or copies of it.

A perceptual hash, imagehash's `phash` of 16x16 bits, finds candidates by their low frequencies.
`subpixel.sr.data.same_image` confirms them on their pixels.

The hash was measured on the 710 images of Set5, Set14, B100, T91, General100 and BSDS500 train and
test, each pair in eight positions, 251,695 pairs. Two different images differ in at least 84 of the
256 bits. Copies of each of the 710 differ from it in at most 16 bits when enlarged, halved,
quartered or saved as JPEG of quality 75 or 30, 28 at quality 10, and 60 with 2% cut from each side.
Hashes of different images that are not natural scenes (scans of heads, faces on plain ground,
forms, icons) can be equally close; their pixels differ.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import imagehash
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import OnLeak
from subpixel.sr.data.images import SourceImage
from subpixel.sr.data.same_image import Square, positions, same_image

HASH_SIZE = 16
# Of 256 bits: between the largest distance of copies and the smallest of different photographs.
SUSPICIOUS = 64
SHOWN = 5

_log = logging.getLogger("subpixel")


@dataclass(frozen=True)
class Fingerprint:
    """Digest and perceptual hash of an image, in hexadecimal digits.

    Attributes:
      digest: SHA-256 of its size and pixels.
      phash: its perceptual hash.
    """

    digest: str
    phash: str


def fingerprint(image: UInt8[np.ndarray, "h w 3"]) -> Fingerprint:
    """Computes the fingerprint of an RGB image, uint8 (h, w, 3)."""
    digest = sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return Fingerprint(digest.hexdigest(), str(_phash(_thumbnail(image))))


def check_no_leak(
    training: Sequence[SourceImage],
    benchmarks: Sequence[SourceImage],
    fingerprints: Sequence[Fingerprint] | None = None,
    on_leak: OnLeak = "stop",
) -> str:
    """Compares the contents of the training images with those of the benchmarks.

    Args:
      training: the images to train on.
      benchmarks: the images to measure on.
      fingerprints: those of the training images; by default they are loaded for it.
      on_leak: "stop" raises an error, "warn" logs the same sentence and returns it.

    Returns:
      One sentence that names the training images that are in a benchmark; "" if there are none.

    Raises:
      InputError: naming both, if a training image is one of a benchmark, or a copy of one that
        was resized, compressed, rotated, flipped or cropped lightly, and `on_leak` is "stop".
    """
    if fingerprints is None:
        fingerprints = [fingerprint(image.load()) for image in training]
    copies = find_copies(training, fingerprints, benchmarks)
    if not copies:
        return ""
    found = [(training[i], benchmarks[j]) for i, j in copies.items()]
    if on_leak == "stop":
        leaks = _describe([f"{image.source} is {original.source}" for image, original in found])
        raise InputError(
            f"{leaks}. Leave them out of training with data.exclude; if they are different "
            "images, data.on_leak=warn trains on them and the results say so"
        )
    # The sentence is stored with the results, which must not hold paths of this machine.
    short = [f"{image.short_source} is {original.short_source}" for image, original in found]
    leaks = _describe(short)
    _log.warning("%s", leaks)
    return leaks


def _describe(leaks: Sequence[str]) -> str:
    return (
        f"{len(leaks)} training images are also in a benchmark, or copies of one that is, "
        f"which would measure memory: {shorten(leaks)}"
    )


def find_copies(
    images: Sequence[SourceImage],
    fingerprints: Sequence[Fingerprint],
    others: Sequence[SourceImage],
) -> dict[int, int]:
    """Finds the images that are, or are copies of, one of some others.

    Args:
      images: any number of images.
      fingerprints: theirs.
      others: the images to compare with; each is loaded once.

    Returns:
      The index of the original among `others`, by the index of the copy among `images`.
    """
    if not images or not others:
        return {}
    known = [_hashes_in_all_positions(image.load()) for image in others]
    hashes = np.array([_bits(imagehash.hex_to_hash(f.phash)) for f in fingerprints])
    rotated = np.array([bits for _, positions in known for bits in positions])
    # The product of two vectors of +1 and -1 is the number of equal bits minus that of others.
    different = ((hashes.shape[1] - hashes @ rotated.T) / 2).reshape(len(images), len(others), 8)
    square = cache(lambda image: Square.of(image.load()))
    copies: dict[int, int] = {}
    for i, bits in enumerate(different):
        closest = bits.min(axis=1)
        for j in np.argsort(closest, kind="stable")[: (closest <= SUSPICIOUS).sum()].tolist():
            if fingerprints[i].digest == known[j][0] or same_image(
                square(images[i]), square(others[j]), int(bits[j].argmin())
            ):
                copies[i] = j
                break
    return copies


def shorten(items: Sequence[str]) -> str:
    """Joins the first five items with semicolons, and adds the number of the others."""
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def _hashes_in_all_positions(image: np.ndarray) -> tuple[str, list[np.ndarray]]:
    """Returns the image's digest, and its hash in each of the eight positions."""
    own = fingerprint(image).digest
    return own, [_bits(_phash(rotated)) for rotated in positions(_thumbnail(image))]


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """Returns luma as a square of the size that `phash` uses."""
    size = (HASH_SIZE * 4, HASH_SIZE * 4)
    return np.asarray(Image.fromarray(image).convert("L").resize(size, Image.Resampling.LANCZOS))


def _phash(thumbnail: np.ndarray) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(np.ascontiguousarray(thumbnail)), hash_size=HASH_SIZE)


def _bits(value: imagehash.ImageHash) -> np.ndarray:
    return np.where(value.hash.ravel(), np.float32(1), np.float32(-1))
