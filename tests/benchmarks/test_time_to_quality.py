"""Time to quality: both libraries do the same training, and the table reads the curves truly."""

from dataclasses import replace

import numpy as np
import pytest
import time_to_quality as tool
from race import torch_process
from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig

# Small, and with a learning rate at which a few steps move the output.
SMALL = replace(
    tool.ETDS,
    model=ESPCNConfig(scale=3, features=(4, 3), kernel_sizes=(5, 3, 3), residual=True),
    data=replace(tool.DATA, patch_size=8, batch_size=4),
    optimizer=replace(tool.ETDS.optimizer, learning_rate=5e-3),
    steps=10**6,
)


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    sizes = [(12, 10), (9, 14), (11, 11)]
    images = [[rng.integers(0, 256, (r * h, r * w, 1), np.uint8) for r in (1, 3)] for h, w in sizes]
    return [(lr, hr) for lr, hr in images]


def test_torch_takes_the_steps_that_ours_takes(pairs, tmp_path):
    pytest.importorskip("torch")
    ours = tool.Ours(SMALL, pairs)
    (before,) = ours.enlarge([pairs[0][0]])
    with torch_process(True, "torch_trainer.py") as ask:
        assert ask is not None
        theirs = tool.PyTorch(ask, tmp_path, SMALL, pairs)
        used = theirs.advance(0.05)
        assert used >= 0.05
        (expected,) = theirs.enlarge([pairs[0][0]])
    while ours.steps < theirs.steps:
        ours.advance(1e-6)
    (made,) = ours.enlarge([pairs[0][0]])
    moved = np.abs(made - before).max()
    assert np.abs(made - expected).max() < 1e-3 * moved


def test_a_training_ends_with_its_steps(pairs):
    ours = tool.Ours(replace(SMALL, steps=2), pairs)
    assert not ours.ended
    assert ours.advance(60) < 60
    assert ours.ended
    assert ours.steps == 2


def test_a_curve_is_straight_between_its_points():
    curve = [{"minutes": m, "psnr": p} for m, p in ((1, 30.0), (3, 31.0), (4, 30.5), (8, 32.0))]
    assert tool.minutes_to(curve, 29) == 1
    assert tool.minutes_to(curve, 30.5) == 2
    assert tool.minutes_to(curve, 31.25) == 6
    assert tool.minutes_to(curve, 33) is None


def test_the_table_compares_with_the_end_of_the_slowest(capsys):
    curves = {
        "SOAP, 7 steps": [{"minutes": 0.5, "steps": 7, "psnr": 31.0}],
        "Adam": [{"minutes": 10.0, "steps": 90, "psnr": 29.0}],
        "PyTorch, Adam": [{"minutes": 10.0, "steps": 80, "psnr": 30.0}],
    }
    tool.show({"curves": curves}, Console(width=100))
    soap, adam, torch = capsys.readouterr().out.splitlines()[-3:]
    assert soap.split()[-2:] == ["0.5", "20.0"]
    assert adam.split()[-1] == "never"
    assert torch.split()[-2:] == ["10.0", "1.0"]


def test_moments_end_with_the_last_minute():
    assert list(tool.moments(25)) == [10, 14, pytest.approx(19.6), 25]


def test_no_minutes_are_refused():
    with pytest.raises(InputError, match="minutes must be positive; got 0"):
        tool.Options(minutes=0)
