"""Takes steps with every upsampler, and reads what they measured when the next is on its way."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path

import jax
from jax.sharding import Mesh

from subpixel.sr.data.patches import Batch
from subpixel.sr.errors import InputError
from subpixel.sr.training.checkpoints import Progress
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.nonfinite import keep_evidence
from subpixel.sr.training.parallel import divide
from subpixel.sr.training.state import Metrics

# JAX's arrays have this method, which the type `jax.Array` does not declare.
_is_ready = methodcaller("is_ready")


@dataclass(frozen=True)
class Outstanding:
    """A step that was dispatched, and whose measurements have not been read."""

    step: int
    batch: Batch
    metrics: dict[str, Metrics]


class Stepper:
    """Advances a run; what a step measured is read one step later, so that the device never waits.

    `settle` reads it at once, where the run is recorded or saved: the result is then the same
    whether or not the run was stopped in between.
    """

    def __init__(
        self,
        experiment: TrainingConfig,
        steps: Mapping[str, jax.stages.Compiled],
        iterator: Iterator[Batch],
        workdir: Path,
        mesh: Mesh | None = None,
    ):
        """Prepares to step.

        Args:
          experiment: what is trained.
          steps: the compiled step of each upsampler.
          iterator: over batches.
          workdir: where a step that is not finite is kept.
          mesh: of several devices, over which each batch is divided.
        """
        self._experiment = experiment
        self._steps = steps
        self._iterator = iterator
        self._workdir = workdir
        self._mesh = mesh
        self._outstanding: Outstanding | None = None
        self._waited, self._since = 0.0, time.perf_counter()

    def advance(self, run: Progress) -> Progress:
        """Takes the next batch and dispatches a step of every upsampler with it.

        Raises:
          InputError: if the step before it was not finite, and the run is to stop.
        """
        begun = time.perf_counter()
        batch = next(self._iterator)
        if self._idle():
            self._waited += time.perf_counter() - begun
        divided = divide(batch, self._mesh)
        states, seconds, metrics = dict(run.states), dict(run.seconds), {}
        for name, step in self._steps.items():
            begun = time.perf_counter()
            states[name], metrics[name] = step(states[name], divided)
            if len(self._steps) > 1:
                # Compared by time: none may run while another is on the clock.
                jax.block_until_ready(metrics[name])
            seconds[name] += time.perf_counter() - begun
        run = self.settle(replace(run, seconds=seconds))
        self._outstanding = Outstanding(run.step + 1, batch, metrics)
        return replace(run, step=run.step + 1, states=states, validation={})

    def settle(self, run: Progress) -> Progress:
        """Reads what is outstanding.

        Raises:
          InputError: if that step was not finite, and the run is to stop.
        """
        taken, self._outstanding = self._outstanding, None
        if taken is None:
            return run
        seconds, losses = dict(run.seconds), dict(run.losses)
        skipped, skipped_last = dict(run.skipped), dict(run.skipped_last)
        norms = dict(run.norms)
        for name, metrics in taken.metrics.items():
            begun = time.perf_counter()
            finite = bool(metrics["finite"])
            seconds[name] += time.perf_counter() - begun
            if finite:
                losses[name] = [*losses[name], float(metrics["loss"])]
                norms[name] = max(norms.get(name, 0.0), float(metrics["gradient_norm"]))
                skipped_last[name] = 0
            else:
                skipped[name] += 1
                skipped_last[name] += 1
                self._allow_skip(name, taken, skipped_last[name])
        return replace(
            run,
            seconds=seconds,
            losses=losses,
            norms=norms,
            skipped=skipped,
            skipped_last=skipped_last,
        )

    def data_wait_fraction(self) -> float:
        """Returns the share of the time since the last call in which only a batch was waited for.

        A wait counts if no step is on its way at its end, and then whole.
        """
        now = time.perf_counter()
        fraction = self._waited / (now - self._since)
        self._waited, self._since = 0.0, now
        return fraction

    def _idle(self) -> bool:
        """Says whether all steps that were dispatched have ended."""
        outstanding = self._outstanding
        return outstanding is None or all(
            _is_ready(metrics["finite"]) for metrics in outstanding.metrics.values()
        )

    def _allow_skip(self, name: str, taken: Outstanding, in_a_row: int) -> None:
        experiment = self._experiment
        if experiment.on_nonfinite == "skip" and in_a_row <= experiment.skips_allowed:
            return
        measured = {key: float(taken.metrics[name][key]) for key in ("loss", "gradient_norm")}
        folder = keep_evidence(self._workdir, taken.step, name, measured, taken.batch)
        what = ", ".join(f"{key} {value}" for key, value in measured.items())
        already = f", after {in_a_row - 1} that were skipped" if in_a_row > 1 else ""
        raise InputError(
            f"{name} is no longer finite at step {taken.step}{already}: {what}; its batch is in "
            f"{folder}, and the last checkpoint in {self._workdir / 'checkpoints'}. In another "
            "workdir, a lower optimizer.learning_rate or --on-nonfinite=skip may help"
        )
