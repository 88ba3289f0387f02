"""No image is on both sides of the split into training and validation."""

from typing import NamedTuple

import numpy as np
import pytest
from files import as_jpeg

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.held_out import choose_by_content, choose_by_position, split_images
from subpixel.sr.data.images import ImageSource
from subpixel.sr.data.leak import fingerprint
from subpixel.sr.data.pairs import Pair, find_pairs


@pytest.fixture(scope="module")
def photographs():
    return [image.hr.load() for image in find_pairs("embedded:train", None)]


def as_pairs(arrays):
    return [Pair(str(i), ImageSource(f"image {i}", lambda a=a: a)) for i, a in enumerate(arrays)]


class Split(NamedTuple):
    held_out: list[int]
    train: list[int]
    notes: tuple[str, ...]


def split(arrays, count):
    known = [fingerprint(array) for array in arrays]
    held_out = choose_by_content([of.digest for of in known], count)
    return Split(held_out, *split_images(as_pairs(arrays), known, held_out))


def test_the_choice_depends_on_the_contents_alone(photographs):
    """Neither on order and names, nor much on what is added."""

    def chosen(arrays, count=3):
        return {arrays[i].tobytes() for i in split(arrays, count).held_out}

    assert chosen(photographs) == chosen(photographs[::-1])
    for image in find_pairs("embedded:test", None):
        assert len(chosen(photographs) - chosen([image.hr.load(), *photographs])) <= 1


def test_old_workdirs_are_split_by_position():
    digests = [str(i) for i in range(10)]
    assert choose_by_position(digests, 2) == [2, 7]
    assert choose_by_position(["a", "b", "c", "a"], 2) == [1, 3]
    assert choose_by_position(["a", "a", "b", "b"], 2) == [1, 3]
    assert choose_by_position(["a", "a", "a", "a", "b", "c"], 2) == [1, 4]


def test_a_source_that_is_named_twice_is_on_one_side_only(photographs):
    found = split([*photographs, *photographs], 2)
    sides = [{i % 7 for i in side} for side in (found.train, found.held_out)]
    assert not sides[0] & sides[1]
    assert len(found.held_out) == len(sides[1]) == 2
    assert sides[0] | sides[1] == set(range(7))
    (note,) = found.notes
    assert note.startswith("7 training images occur more than once")
    assert "image 7 is image 0" in note
    assert "and 2 more" in note
    assert "2 are not trained on" in note


def test_what_only_looks_like_a_held_out_image_is_named_and_trained_on(photographs):
    """A set as PNG and as flipped JPEG, which have no pixel in common."""
    copies = [np.ascontiguousarray(as_jpeg(array, 80)[:, ::-1]) for array in photographs]
    found = split([*photographs, *copies], 3)
    assert len(found.train) == 11
    (note,) = found.notes
    assert note.startswith("3 training images look like held-out ones, by their perceptual hashes")
    assert "leave them out with data.exclude" in note
    i = found.held_out[0]
    assert f"image {(i + 7) % 14} looks like image {i}" in note


def test_copies_among_the_images_to_train_on_stay(photographs):
    held_out = split(photographs, 1).held_out[0]
    twice = photographs[(held_out + 1) % 7]
    found = split([*photographs, twice], 1)
    assert len(found.train) == 7
    assert "1 training images occur more than once" in found.notes[0]
    assert "0 are not trained on" in found.notes[0]


def test_only_copies_of_held_out_images_are_too_few(photographs):
    with pytest.raises(InputError, match="every other training image is a copy of one that is"):
        split([photographs[0]] * 4, 1)
