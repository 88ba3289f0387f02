"""A training set is loaded in one call, and a workdir remembers which images it was trained on."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from files import picture, save
from PIL import Image

from subpixel.image import imresize
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.pairs import find_pairs, find_training
from subpixel.sr.data.preparation import cache_name, prepare
from subpixel.sr.data.training_set import RECORD, load_training_set

MODEL = ESPCNConfig(scale=2)
COUNT = 6


@pytest.fixture
def root(tmp_path):
    for seed in range(COUNT):
        save(tmp_path / f"train/{seed}.png", picture(seed))
    for seed in range(2):
        save(tmp_path / f"test/{seed}.png", picture(seed + 100))
    return tmp_path


def load(root, workdir=None, **options):
    sets = {"train": ("folder:train",), "benchmarks": ("folder:test",)}
    data = DataConfig(**sets | {"validation_images": 2, "patch_size": 8} | options)
    return load_training_set(MODEL, data, root, workdir=workdir)


def pixels(pairs):
    return {hr.tobytes() for _, hr in pairs}


def test_it_holds_every_image_once(root):
    found = load(root)
    assert (len(found.pairs), len(found.validation)) == (COUNT - 2, 2)
    expected = pixels(load(root, validation_images=1).pairs)
    expected |= pixels(load(root, validation_images=1).validation)
    assert pixels(found.pairs) | pixels(found.validation) == expected
    assert len(expected) == COUNT
    assert [pair.name for pair in found.benchmarks["test"]] == ["0", "1"]
    assert found.lr.startswith("made by MATLAB's imresize, bicubic")
    assert (found.notes, found.leak) == ((), "")
    assert found.to_json()["training_images"] == COUNT - 2


def test_images_that_are_left_out_by_their_source_are_not_there(root):
    sources = [pair.hr.source for pair in find_pairs("folder:train", root)][:3]
    data = DataConfig(train=("folder:train",), validation_images=1, patch_size=8)
    found = load_training_set(MODEL, data, root, benchmarks={}, leave_out=sources)
    assert [image.name for image in found.images] == ["3", "4", "5"]


def test_the_held_out_images_do_not_depend_on_names_or_order(root):
    before = pixels(load(root).validation)
    for path in sorted((root / "train").iterdir()):
        path.rename(path.with_name(f"n{9 - int(path.stem)}.png"))
    assert pixels(load(root).validation) == before


def add(folder):
    save(folder / "new.png", picture(50))
    save(folder / "newer.jpg", picture(51))


def change(folder):
    save(folder / "3.png", 255 - picture(3))


def as_bmp(folder):
    Image.open(folder / "0.png").save(folder / "0.bmp")
    (folder / "0.png").unlink()


# What is done to the images, and what a resume says of it.
CHANGES = {
    "added": (add, r"2 new \(new; newer\)\."),
    "removed": (lambda folder: (folder / "2.png").unlink(), r"1 missing \(2\)\."),
    "changed": (change, r"1 with other pixels \(3\)\."),
    "in another format": (as_bmp, None),
    "renamed": (
        lambda folder: (folder / "4.png").rename(folder / "x.png"),
        r"1 new \(x\); 1 missing \(4\)\.",
    ),
    "copied": (
        lambda folder: shutil.copy(folder / "0.png", folder / "0 copy.png"),
        r"1 new \(0 copy\)\.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_resume_with_other_images_says_what_differs(root, change):
    workdir = root / "run"
    workdir.mkdir()
    first = load(root, workdir)
    first.record(workdir)
    alter, message = CHANGES[change]
    shutil.copytree(root / "train", root / "old")
    alter(root / "train")
    if message is None:
        assert len(load(root, workdir).images) == COUNT
    else:
        with pytest.raises(InputError, match=rf"run was trained on other images: {message} To go"):
            load(root, workdir)
    # The old set goes on, and another workdir starts anew.
    assert len(load(root, root / "other").images) >= COUNT - 1
    shutil.rmtree(root / "train")
    (root / "old").rename(root / "train")
    again = load(root, workdir)
    assert pixels(again.pairs) == pixels(first.pairs)
    assert pixels(again.validation) == pixels(first.validation)


def test_a_workdir_without_a_record_is_split_as_it_was(root):
    """Versions without the record held out every third of six, by position."""
    workdir = root / "run"
    (workdir / "checkpoints").mkdir(parents=True)
    found = load(root, workdir)
    assert [image.name for image in found.images if image.validation] == ["1", "4"]
    found.record(workdir)
    again = load(root, workdir)
    assert pixels(again.validation) == pixels(found.validation)
    record = json.loads((workdir / RECORD).read_text())["images"]
    assert [set(image) for image in record] == [{"name", "digest", "validation"}] * COUNT
    (root / "train/5.png").unlink()
    with pytest.raises(InputError, match="1 missing"):
        load(root, workdir)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"images": [{}]}', b'{"images": 1}', b"\xff"]
)
def test_a_damaged_record_is_named(root, content):
    (root / RECORD).write_bytes(content)
    with pytest.raises(InputError, match=r"images\.json cannot be read: .* another --workdir"):
        load(root, root)


def test_every_image_that_cannot_be_used_is_named_at_once(root):
    (root / "train/1.png").write_bytes(b"")
    (root / "train/3.png").write_bytes((root / "train/3.png").read_bytes()[:-200])
    Image.fromarray(picture(9)).convert("CMYK").save(root / "train/8.jpg")
    save(root / "train/9.png", picture(9)[:10])
    with pytest.raises(InputError, match=r"^4 images cannot be used: ") as error:
        load(root)
    assert len(str(error.value).splitlines()) == 1
    for name, reason in (
        ("1.png", "is empty"),
        ("3.png", "is damaged"),
        ("8.jpg", "is CMYK"),
        ("9.png", "low-resolution pixels, and a patch takes 8x8"),
    ):
        assert any(name in part and reason in part for part in str(error.value).split("; ")), (
            name,
            reason,
        )


def test_small_images_of_a_cache_are_named_at_once(root):
    pairs = find_pairs("folder:train", root, 2)
    assert prepare(pairs, 2, 1, small=0).folder is not None
    with pytest.raises(InputError, match=rf"^{COUNT} images cannot be used: .*a patch takes 30x30"):
        prepare(pairs, 2, 1, small=0, min_size=30)


def test_lr_images_of_files_are_said(root):
    for path in sorted((root / "train").glob("*.png")):
        save(root / "train/LR" / path.name, make_lr(np.asarray(Image.open(path)), 2))
        save(root / "train/HR" / path.name, np.asarray(Image.open(path)))
        path.unlink()
    assert load(root).lr == "from the files of the set"
    found = load(root, train=("folder:train", "folder:test"), benchmarks=("embedded:test",))
    assert found.lr.startswith("6 from the files of the set, 2 made by MATLAB's imresize")


def test_each_set_is_shrunk_by_its_factor(tmp_path):
    stored = picture(0, 31, 42)
    for name in ("a", "b"):
        save(tmp_path / f"{name}/{name}.png", stored)
    data = DataConfig(train=("a", "b"), shrink=(1, 0.5), patch_size=8, skip_small=True)
    whole, half = find_training(data, 2, tmp_path)
    np.testing.assert_array_equal(whole.hr.load(), stored)
    np.testing.assert_array_equal(half.hr.load(), imresize(stored, 0.5))
    assert half.hr.size() == (21, 16)
    # At x2 a patch of 9 has 18 pixels, more than the 16 rows of the smaller image.
    assert [i.name for i in find_training(replace(data, patch_size=9), 2, tmp_path)] == ["a"]
    shrunk = replace(whole, hr=replace(whole.hr, shrink=0.5))
    assert cache_name([whole], {}) != cache_name([shrunk], {})


def test_a_factor_that_cannot_be_used_is_named(tmp_path):
    for shrink in ((0.5,), (1, 0), (1, 1.5)):
        with pytest.raises(InputError, match=r"data\.shrink must have one factor for each set"):
            DataConfig(train=("a", "b"), shrink=shrink)
    save(tmp_path / "HR/a.png", picture(0, 24, 24))
    save(tmp_path / "LR_bicubic/X2/ax2.png", picture(0, 12, 12))
    data = DataConfig(train=(str(tmp_path / "HR"),), shrink=(0.5,))
    with pytest.raises(InputError, match=r"set contains the LR image .*ax2\.png: set it to 1"):
        find_training(data, 2, None)
