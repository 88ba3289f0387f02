"""What the clocks of a training say."""

from typing import Any

import numpy as np
import pytest

from subpixel.sr.training import stepping
from subpixel.sr.training.state import initial_run
from subpixel.sr.training.stepping import Stepper


class Measured(float):
    """A number that a step measured, on its way or there."""

    there = True

    def is_ready(self) -> bool:
        return self.there


@pytest.mark.usefixtures("without_shape_checks")  # the step's metrics are no arrays
@pytest.mark.parametrize(
    ("there", "counted"),
    [
        pytest.param(True, 3, id="each step has ended before the next batch comes"),
        pytest.param(False, 1, id="a step runs in every wait but the first"),
    ],
)
def test_a_wait_for_data_counts_where_no_step_is_on_its_way(tmp_path, monkeypatch, there, counted):
    seconds = 0.0
    monkeypatch.setattr(stepping.time, "perf_counter", lambda: seconds)
    monkeypatch.setattr(Measured, "there", there)

    def batches():
        nonlocal seconds
        while True:
            seconds += 1
            yield {"lr": np.zeros((1, 2, 2, 1), np.uint8)}

    def step(state, batch):
        nonlocal seconds
        seconds += 4
        return state, {name: Measured(1) for name in ("loss", "gradient_norm", "finite")}

    steps: Any = {"subpixel": step}
    nothing: Any = {"subpixel": None}
    stepper = Stepper(steps, batches(), tmp_path)
    run = initial_run(nothing, {})
    for _ in range(3):
        run = stepper.advance(run)
    assert stepper.data_wait_fraction() == counted / (3 * (1 + 4))
    assert run.seconds == {"subpixel": 12.0}
    assert stepper.settle(run).losses == {"subpixel": [1.0] * 3}
