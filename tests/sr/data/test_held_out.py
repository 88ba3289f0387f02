"""No image is on both sides of the split into training and validation."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data import ImageSource, Pair, find_pairs
from subpixel.sr.data.held_out import hold_out, split_images
from subpixel.sr.data.leak import fingerprint


@pytest.fixture(scope="module")
def photographs():
    return [image.hr.load() for image in find_pairs("embedded:train", None)]


def split(arrays, count):
    images = [Pair(str(i), ImageSource(f"image {i}", lambda a=a: a)) for i, a in enumerate(arrays)]
    return split_images(images, [fingerprint(a) for a in arrays], count)


def jpeg(array):
    content = io.BytesIO()
    Image.fromarray(array).save(content, "JPEG", quality=80)
    return np.asarray(Image.open(content))


def test_images_without_copies_are_split_evenly_and_nothing_is_said(photographs):
    found = split(photographs, 2)
    assert (found.train, found.held_out) == hold_out(7, 2)
    assert found.note == ""


def test_a_source_that_is_named_twice_is_on_one_side_only(photographs):
    found = split([*photographs, *photographs], 2)
    sides = [{i % 7 for i in side} for side in (found.train, found.held_out)]
    assert not sides[0] & sides[1]
    assert len(found.held_out) == len(sides[1]) == 2
    assert sides[0] | sides[1] == set(range(7))
    assert found.note.startswith("7 training images occur more than once")
    assert "image 7 is image 0" in found.note
    assert "and 2 more" in found.note
    assert "2 are not trained on" in found.note


def test_copies_of_other_sources_are_on_one_side_only(photographs):
    """A set as PNG and as flipped JPEG, which have no pixel in common."""
    copies = [np.ascontiguousarray(jpeg(array)[:, ::-1]) for array in photographs]
    found = split([*photographs, *copies], 3)
    assert not {i % 7 for i in found.train} & {i % 7 for i in found.held_out}
    assert "0 training images occur more than once and 3 are copies of held-out" in found.note


def other_names(folder, other):
    other.mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        os.link(file, other / f"z{number}.png")


OVERLAPS = {
    "a link to the folder": lambda folder, other: other.symlink_to(folder),
    "links to the files": lambda folder, other: shutil.copytree(
        folder, other, copy_function=lambda a, b: Path(b).symlink_to(a)
    ),
    "hard links of other names": other_names,
    "another format": lambda folder, other: [
        other.mkdir(),
        [Image.open(f).save(other / f"{f.stem}.bmp") for f in folder.iterdir()],
    ],
}


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_folders_that_overlap_are_on_one_side_only(photographs, tmp_path, overlap):
    (tmp_path / "A").mkdir()
    for number, array in enumerate(photographs[:4]):
        Image.fromarray(array).save(tmp_path / f"A/{number}.png")
    OVERLAPS[overlap](tmp_path / "A", tmp_path / "B")
    images = [image for name in "AB" for image in find_pairs(str(tmp_path / name), None)]
    found = split_images(images, [fingerprint(image.hr.load()) for image in images], 1)
    assert len(images) == 8
    assert not {i % 4 for i in found.train} & {i % 4 for i in found.held_out}
    assert {i % 4 for i in (*found.train, *found.held_out)} == set(range(4))
    assert found.note.startswith("4 training images occur more than once")


def test_copies_among_the_images_to_train_on_stay(photographs):
    held_out = hold_out(8, 1)[1][0]
    arrays = photographs.copy()
    arrays.insert(held_out, arrays.pop())
    arrays.append(arrays[0])
    found = split(arrays, 1)
    assert len(found.train) == 7
    assert "1 training images occur more than once" in found.note
    assert "0 are not trained on" in found.note


def test_only_copies_of_held_out_images_are_too_few(photographs):
    with pytest.raises(InputError, match="every other training image is a copy of one that is"):
        split([photographs[0]] * 4, 1)
