"""Training steps of every upsampler on each batch; the metrics are read one step late."""

import io
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from subpixel.sr._support.errors import NonFiniteError
from subpixel.sr._support.files import write_bytes, write_json
from subpixel.sr.data.patches import Batch
from subpixel.sr.training.parallel import divide
from subpixel.sr.training.state import RunState
from subpixel.sr.training.step import Metrics, Step

# JAX's arrays have this method, which the type `jax.Array` does not declare.
_is_ready = methodcaller("is_ready")


@dataclass(frozen=True)
class Outstanding:
    """A dispatched step whose measurements have not been read."""

    step: int
    batch: Batch
    metrics: dict[str, Metrics]


class Stepper:
    """Advances a run state; reads the measurements of a step after the next one is dispatched.

    The device thus never waits for the host. `settle` reads the outstanding measurements at once;
    it is called before a record or a checkpoint, which are therefore the same whether or not the
    run was stopped in between.
    """

    def __init__(
        self,
        steps: Mapping[str, Step],
        iterator: Iterator[Batch],
        workdir: Path,
        *,
        skips_allowed: int = 0,
        mesh: Mesh | None = None,
    ):
        """Prepares to step."""
        self._steps = steps
        self._iterator = iterator
        self._workdir = workdir
        self._skips_allowed = skips_allowed
        self._mesh = mesh
        self._outstanding: Outstanding | None = None
        self._waited, self._since = 0.0, time.perf_counter()

    def advance(self, run: RunState) -> RunState:
        """Takes the next batch and dispatches a step of every upsampler on it.

        Raises:
          NonFiniteError: if the previous step was not finite and may not be skipped.
        """
        began = time.perf_counter()
        batch = next(self._iterator)
        if self._is_idle():
            self._waited += time.perf_counter() - began
        divided = divide(batch, self._mesh)
        states, seconds, metrics = dict(run.states), dict(run.seconds), {}
        for name, step in self._steps.items():
            began = time.perf_counter()
            states[name], metrics[name] = step(states[name], divided)
            if len(self._steps) > 1:
                # The times are compared, so a step must end before the next upsampler's begins.
                jax.block_until_ready(metrics[name])
            seconds[name] += time.perf_counter() - began
        run = self.settle(replace(run, seconds=seconds))
        self._outstanding = Outstanding(run.step + 1, batch, metrics)
        return replace(run, step=run.step + 1, states=states, validation={})

    def settle(self, run: RunState) -> RunState:
        """Reads the outstanding measurements.

        Raises:
          NonFiniteError: if that step was not finite and may not be skipped.
        """
        taken, self._outstanding = self._outstanding, None
        if taken is None:
            return run
        seconds, losses, norms = dict(run.seconds), dict(run.losses), dict(run.norms)
        skipped, skipped_last = dict(run.skipped), dict(run.skipped_last)
        for name, metrics in taken.metrics.items():
            began = time.perf_counter()
            finite = bool(metrics["finite"])
            seconds[name] += time.perf_counter() - began
            if finite:
                losses[name] = [*losses[name], float(metrics["loss"])]
                norms[name] = max(norms.get(name, 0.0), float(metrics["gradient_norm"]))
                skipped_last[name] = 0
            else:
                skipped[name] += 1
                skipped_last[name] += 1
                if skipped_last[name] > self._skips_allowed:
                    raise self._not_finite(name, taken, skipped_last[name])
        return replace(
            run,
            seconds=seconds,
            losses=losses,
            norms=norms,
            skipped=skipped,
            skipped_last=skipped_last,
        )

    def data_wait_fraction(self) -> float:
        """Returns the fraction of the time since the last call in which the device waited for data.

        Counts a data wait only if the device is idle when it ends.
        """
        now = time.perf_counter()
        fraction = self._waited / (now - self._since)
        self._waited, self._since = 0.0, now
        return fraction

    def _is_idle(self) -> bool:
        """Whether all dispatched steps have ended."""
        outstanding = self._outstanding
        return outstanding is None or all(
            _is_ready(metrics["finite"]) for metrics in outstanding.metrics.values()
        )

    def _not_finite(self, name: str, taken: Outstanding, in_a_row: int) -> NonFiniteError:
        """Writes the batch of a step and its measurements; returns the error that stops the run."""
        measured = {key: float(taken.metrics[name][key]) for key in ("loss", "gradient_norm")}
        folder = self._workdir / "nonfinite" / str(taken.step)
        content = io.BytesIO()
        np.savez_compressed(content, lr=taken.batch["lr"], hr=taken.batch["hr"])
        write_bytes(folder / "batch.npz", content.getvalue())
        # As strings, since JSON has neither infinity nor NaN.
        kept = {k: v if math.isfinite(v) else str(v) for k, v in measured.items()}
        write_json(folder / "step.json", {"step": taken.step, "upsampler": name, **kept})
        values = ", ".join(f"{key} {value}" for key, value in measured.items())
        already = f", after {in_a_row - 1} that were skipped" if in_a_row > 1 else ""
        return NonFiniteError(
            f"{name} is no longer finite at step {taken.step}{already}: {values}; its batch is in "
            f"{folder}, and the last checkpoint in {self._workdir / 'checkpoints'}. In another "
            "workdir, a lower optimizer.learning_rate or --on-nonfinite=skip may help"
        )
