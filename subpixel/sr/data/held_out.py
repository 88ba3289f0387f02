"""Holds training images out for validation, so that none of them is also trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import SourceImage
from subpixel.sr.data.leak import Fingerprint, find_copies, shorten


@dataclass(frozen=True)
class Split:
    """Indices of the images to train on and of those to validate on.

    Attributes:
      train: the images to train on.
      held_out: the images to validate on.
      note: one sentence about images that occur more than once; "" if there are none.
    """

    train: list[int]
    held_out: list[int]
    note: str = ""


def hold_out(images: int, count: int) -> tuple[list[int], list[int]]:
    """Chooses `count` of `images` images, evenly spaced, for validation.

    Returns:
      The indices of the images to train on, and of those to validate on.

    Raises:
      InputError: if no image is left to train on.
    """
    if count >= images:
        raise InputError(
            f"data.validation_images is {count}, but there are only {images} training "
            "images: at least one must be left to train on"
        )
    chosen = [i * images // count + images // (2 * count) for i in range(count)]
    return [i for i in range(images) if i not in chosen], chosen


def split_images(
    images: Sequence[SourceImage], fingerprints: Sequence[Fingerprint], count: int
) -> Split:
    """Holds out `count` images, and leaves copies of them out of training.

    Two sources may overlap, or one may be named twice. Copies among the images to train on stay.

    Args:
      images: all images to choose from.
      fingerprints: theirs.
      count: how many to hold out.

    Raises:
      InputError: if no image is left to train on.
    """
    held_out = _distinct(hold_out(len(images), count)[1], fingerprints)
    train = [i for i in range(len(images)) if i not in held_out]
    copies = find_copies(
        [images[i] for i in train], [fingerprints[i] for i in train], [images[i] for i in held_out]
    )
    kept = [i for place, i in enumerate(train) if place not in copies]
    if not kept:
        raise InputError(
            f"data.validation_images is {count}, and every other training image is a copy of one "
            "that is held out: name more images in data.train"
        )
    first: dict[str, int] = {}
    equal = [
        f"{images[i].short_source} is {images[first[known.digest]].short_source}"
        for i, known in enumerate(fingerprints)
        if first.setdefault(known.digest, i) != i
    ]
    similar = [
        f"{images[train[place]].short_source} is {images[held_out[other]].short_source}"
        for place, other in copies.items()
        if fingerprints[train[place]].digest != fingerprints[held_out[other]].digest
    ]
    if not equal and not similar:
        return Split(kept, held_out)
    note = (
        f"{len(equal)} training images occur more than once and {len(similar)} are copies of "
        f"held-out images ({shorten([*equal, *similar])}); {len(copies)} are not trained on, "
        "because their copies are held out"
    )
    return Split(kept, held_out, note)


def _distinct(chosen: Sequence[int], fingerprints: Sequence[Fingerprint]) -> list[int]:
    """Replaces an index whose image is chosen already by the next one whose image is not."""
    digests: dict[str, int] = {}
    for start in chosen:
        for step in range(len(fingerprints)):
            i = (start + step) % len(fingerprints)
            if fingerprints[i].digest not in digests:
                digests[fingerprints[i].digest] = i
                break
    return list(digests.values())
