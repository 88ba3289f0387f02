"""Holds training images out for validation, so that none of them is also trained on."""

from collections.abc import Sequence

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.leak import Fingerprint, find_copies, shorten
from subpixel.sr.data.pairs import Pair


def choose_by_content(digests: Sequence[str], count: int) -> list[int]:
    """Chooses distinct images, those of the smallest digests, which are as good as random.

    Neither the order nor the names of the images change the choice, and an image that is added
    changes one of the chosen at most.
    """
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    return sorted(first[digest] for digest in sorted(first)[:count])


def choose_by_position(digests: Sequence[str], count: int) -> list[int]:
    """Chooses images evenly spaced, as versions before the record of images did.

    An index whose image is chosen already is replaced by the next one whose image is not.
    """
    chosen: dict[str, int] = {}
    for start in (i * len(digests) // count + len(digests) // (2 * count) for i in range(count)):
        for step in range(len(digests)):
            i = (start + step) % len(digests)
            if digests[i] not in chosen:
                chosen[digests[i]] = i
                break
    return list(chosen.values())


def split_images(
    images: Sequence[Pair], fingerprints: Sequence[Fingerprint], held_out: Sequence[int]
) -> tuple[list[int], tuple[str, ...]]:
    """Leaves equal images of the held-out ones out of training.

    Two sources may overlap, or one may be named twice. Copies among the images to train on stay.

    Returns:
      The indices of the images to train on, and one sentence each about images that occur more than
      once, and about images to train on that look like held-out ones.

    Raises:
      InputError: if no image is left to train on.
    """
    watched = {fingerprints[i].digest for i in held_out}
    train = [i for i, known in enumerate(fingerprints) if known.digest not in watched]
    if not train:
        raise InputError(
            f"data.validation_images is {len(held_out)}, and every other training image is a copy "
            "of one that is held out: name more images in data.train"
        )
    first: dict[str, int] = {}
    equal = [
        f"{images[i].hr.short_source} is {images[first[known.digest]].hr.short_source}"
        for i, known in enumerate(fingerprints)
        if first.setdefault(known.digest, i) != i
    ]
    notes = []
    if equal:
        dropped = len(images) - len(train) - len(held_out)
        notes.append(
            f"{len(equal)} training images occur more than once ({shorten(equal)}); {dropped} are "
            "not trained on, because their copies are held out"
        )
    _, similar = find_copies([fingerprints[i] for i in train], [images[i] for i in held_out])
    if similar:
        named = [
            f"{images[train[i]].hr.short_source} looks like {images[held_out[j]].hr.short_source}"
            for i, j in similar.items()
        ]
        notes.append(
            f"{len(named)} training images look like held-out ones, by their perceptual hashes "
            f"({shorten(named)}): if they are copies, leave them out with data.exclude"
        )
    return train, tuple(notes)
