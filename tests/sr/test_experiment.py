"""Which images an experiment trains on."""

from pathlib import Path

import pytest

from subpixel.sr.config import DataConfig, load_config
from subpixel.sr.data import check_no_leak, find_images
from subpixel.sr.errors import InputError
from subpixel.sr.experiment import find_training

CONFIGS = Path(__file__).parents[2] / "configs"


def test_excluded_images_are_not_trained_on():
    data = DataConfig(train=("embedded:train",), exclude=("coffee", "grass"))
    names = [image.name for image in find_training(data, 3, None)]
    assert names == ["camera", "hubble_deep_field", "retina", "brick", "gravel"]


def test_what_is_excluded_must_be_there():
    data = DataConfig(train=("embedded:train",), exclude=("astronaut",))
    with pytest.raises(InputError, match=r"data\.exclude names astronaut, which no training"):
        find_training(data, 3, None)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_configs_leave_out_what_set5_has_of_bsds(data_root, scale):
    config = load_config(CONFIGS / f"espcn_x{scale}_bsds.py")
    training = find_training(config.data, scale, data_root)
    assert len(training) == 290
    woman = [p for p in find_images("BSDS500/train", data_root) if p.name == "302003"]
    assert "302003" not in [image.name for image in training]
    with pytest.raises(InputError, match=r"302003.* is .*woman.*data\.exclude"):
        check_no_leak(woman, find_images("Set5", data_root))
