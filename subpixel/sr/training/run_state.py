"""The run state: everything that a checkpoint restores."""

from dataclasses import dataclass, field
from typing import Any

from subpixel.sr.training.state import TrainState


@dataclass(frozen=True)
class RunState:
    """State of a run after some step; every dict has the upsampler's name as its key.

    Attributes:
      step: number of steps done.
      states: training state.
      iterator: state of the data iterator, JSON.
      seconds: training time.
      losses: losses of the steps since the last record.
      skipped: number of steps skipped because they were not finite.
      skipped_last: number of skipped steps since the last step that was not skipped.
      norms: largest gradient norm since the last record.
      validation: PSNR in dB on the held-out images; empty if not measured at this step.
    """

    step: int
    states: dict[str, TrainState]
    iterator: dict[str, Any]
    seconds: dict[str, float]
    losses: dict[str, list[float]]
    skipped: dict[str, int]
    skipped_last: dict[str, int]
    norms: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)


def initial_run(states: dict[str, TrainState], iterator: dict[str, Any]) -> RunState:
    """Returns the run state before the first step.

    Args:
      states: the initial training states.
      iterator: the initial state of the data iterator.
    """
    return RunState(
        step=0,
        states=states,
        iterator=iterator,
        seconds=dict.fromkeys(states, 0.0),
        losses={name: [] for name in states},
        skipped=dict.fromkeys(states, 0),
        skipped_last=dict.fromkeys(states, 0),
    )
