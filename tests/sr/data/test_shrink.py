"""Training sets that are made smaller: the pixels, the sizes and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from subpixel.image import imresize
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.pairs import find_training
from subpixel.sr.data.preparation import cache_name


def test_each_set_is_shrunk_by_its_factor(tmp_path):
    stored = np.random.default_rng(0).integers(0, 256, (31, 42, 3), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(stored).save(tmp_path / name / f"{name}.png")
    data = DataConfig(train=("a", "b"), shrink=(1, 0.5), patch_size=8, skip_small=True)
    whole, half = find_training(data, 2, tmp_path)
    np.testing.assert_array_equal(whole.hr.load(), stored)
    np.testing.assert_array_equal(half.hr.load(), imresize(stored, 0.5))
    assert half.hr.size() == (21, 16)
    # At x2 a patch of 9 has 18 pixels, more than the 16 rows of the smaller image.
    assert [i.name for i in find_training(replace(data, patch_size=9), 2, tmp_path)] == ["a"]
    assert cache_name([whole], {}) != cache_name(
        [replace(whole, hr=replace(whole.hr, shrink=0.5))], {}
    )


def test_a_factor_that_cannot_be_used_is_named(tmp_path):
    for shrink in ((0.5,), (1, 0), (1, 1.5)):
        with pytest.raises(InputError, match=r"data\.shrink must have one factor for each set"):
            DataConfig(train=("a", "b"), shrink=shrink)
    for folder, side in (("HR", 24), ("LR_bicubic/X2", 12)):
        (tmp_path / folder).mkdir(parents=True)
        name = "a.png" if folder == "HR" else "ax2.png"
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / folder / name)
    with pytest.raises(
        InputError, match=r"whose set contains the LR image .*ax2\.png: set it to 1"
    ):
        find_training(DataConfig(train=(str(tmp_path / "HR"),), shrink=(0.5,)), 2, None)
