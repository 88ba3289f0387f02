"""The training loop: every upsampler takes each batch in turn, so that all see the same ones."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from rich import progress as rich_progress
from rich.console import Console

from subpixel.config import Experiment
from subpixel.data.patches import Pair, PatchCutter, batches
from subpixel.errors import InputError
from subpixel.image import psnr, rgb_to_luma
from subpixel.image.arrays import to_uint8
from subpixel.training.checkpoints import Checkpoints, Progress
from subpixel.training.interrupt import Interrupt
from subpixel.training.records import Records
from subpixel.training.state import (
    Params,
    init_state,
    lower_step,
    make_optimizer,
)
from subpixel.upscaling import forward

# Held-out pictures are cropped to at most this many low-resolution pixels, and to one size, so
# that one compilation measures them all.
VALIDATION_SIZE = 96


@dataclass(frozen=True)
class Trained:
    """What a training ends with.

    Attributes:
      graphs: the definition of each upsampler's network.
      progress: where it ended.
      signal: the signal that stopped it before its end, or None.
    """

    graphs: dict[str, nnx.GraphDef[Any]]
    progress: Progress
    signal: int | None


def train(
    experiment: Experiment,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    workdir: Path,
    console: Console,
) -> Trained:
    """Trains every upsampler of an experiment from the same function on the same batches.

    It goes on from the newest checkpoint in the workdir, and leaves checkpoints and records there.

    Args:
      experiment: what to do.
      pairs: training pictures, uint8 (h, w, c) and (r*h, r*w, c).
      validation: held-out pictures of the same kind.
      workdir: an existing folder.
      console: where progress is shown.

    Raises:
      InputError: if the loss is no longer finite, or a checkpoint cannot be read.
    """
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    graphs, states = {}, {}
    for name in experiment.upsamplers:
        graphs[name], states[name] = init_state(experiment, name, optimizer)
    cutter = PatchCutter(
        pairs,
        scale=experiment.model.scale,
        patch_size=experiment.data.patch_size,
        batch_size=experiment.data.batch_size,
        augment=experiment.data.augment,
    )
    iterator = batches(cutter, steps=experiment.steps, seed=experiment.seed)
    held_out = validation_batch(validation)
    with Checkpoints(workdir) as checkpoints:
        run = checkpoints.restore(states) or Progress(
            step=0,
            states=states,
            iterator=iterator.get_state(),
            seconds=dict.fromkeys(experiment.upsamplers, 0.0),
            losses={name: [] for name in experiment.upsamplers},
        )
        iterator.set_state(run.iterator)
        if run.step:
            console.print(f"going on from step {run.step} of {experiment.steps}")
        if run.step == experiment.steps:
            return Trained(graphs, run, None)
        batch = jax.eval_shape(lambda: cutter(0, np.random.default_rng(0)))
        steps = {
            name: lower_step(experiment, graph, run.states[name], optimizer, batch).compile()
            for name, graph in graphs.items()
        }
        with (
            Records(workdir, run.step) as records,
            Interrupt() as interrupt,
            _progress_bar(console) as bar,
        ):
            task = bar.add_task("training", total=experiment.steps, completed=run.step, note="")
            began, first = time.perf_counter(), run.step
            if run.step == 0:
                _validate(run, graphs, held_out, experiment, records)
            while run.step < experiment.steps and interrupt.signal is None:
                run = _advance(run, steps, next(iterator), workdir)
                if _due(run.step, experiment.log_every, experiment.steps):
                    run = _record(run, records)
                if _due(run.step, experiment.validate_every, experiment.steps):
                    figures = _validate(run, graphs, held_out, experiment, records)
                    shown = "  ".join(f"{name} {value:.2f}" for name, value in figures.items())
                    console.print(f"step {run.step}  validation dB  {shown}", soft_wrap=True)
                if _due(run.step, experiment.checkpoint_every, experiment.steps):
                    run = replace(run, iterator=iterator.get_state())
                    checkpoints.save(run)
                rate = (run.step - first) / (time.perf_counter() - began)
                bar.update(task, completed=run.step, note=f"{rate:.1f} steps/s")
            run = replace(run, iterator=iterator.get_state())
            checkpoints.save(run)
    return Trained(graphs, run, interrupt.signal)


def validation_batch(pairs: Sequence[Pair]) -> Pair:
    """Crops the middle of each picture, all to one size, and stacks them."""
    scale = pairs[0][1].shape[0] // pairs[0][0].shape[0]
    height, width = (
        min(VALIDATION_SIZE, *(low.shape[axis] for low, _ in pairs)) for axis in (0, 1)
    )
    lows, highs = [], []
    for low, high in pairs:
        y, x = (low.shape[0] - height) // 2, (low.shape[1] - width) // 2
        lows.append(low[y : y + height, x : x + width])
        highs.append(high[y * scale : (y + height) * scale, x * scale : (x + width) * scale])
    return np.stack(lows), np.stack(highs)


def validation_psnr(graph, params: Params, held_out: Pair) -> float:
    """Returns the mean PSNR of luma over the held-out crops, rounded and shaved by the scale."""
    low, high = held_out
    scale = high.shape[1] // low.shape[1]
    output = to_uint8(np.asarray(forward(graph, params, low / np.float32(255))) * 255)
    if output.shape[-1] == 3:
        output, high = rgb_to_luma(output), rgb_to_luma(high)
    return float(psnr(output, high, shave=scale).mean())


def _due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last


def _advance(run: Progress, steps, batch, workdir: Path) -> Progress:
    states, seconds, losses = dict(run.states), dict(run.seconds), {}
    for name, step in steps.items():
        start = time.perf_counter()
        states[name], metrics = step(states[name], batch)
        loss = float(metrics["loss"])
        seconds[name] += time.perf_counter() - start
        losses[name] = [*run.losses[name], loss]
        if not math.isfinite(loss):
            raise InputError(
                f"the loss of {name} became {loss} at step {run.step + 1}: the last good "
                f"checkpoint is kept in {workdir / 'checkpoints'}; a lower "
                "optimizer.learning_rate, in another workdir, may help"
            )
    return replace(run, step=run.step + 1, states=states, seconds=seconds, losses=losses)


def _record(run: Progress, records: Records) -> Progress:
    for name, losses in run.losses.items():
        records.write(
            {
                "step": run.step,
                "upsampler": name,
                "loss": sum(losses) / len(losses),
                "seconds": round(run.seconds[name], 3),
            }
        )
    return replace(run, losses={name: [] for name in run.losses})


def _validate(
    run: Progress, graphs, held_out: Pair, experiment: Experiment, records: Records
) -> dict[str, float]:
    figures = {}
    for name, graph in graphs.items():
        figures[name] = validation_psnr(graph, run.states[name].ema, held_out)
        records.write(
            {
                "step": run.step,
                "upsampler": name,
                "validation_psnr": figures[name],
                "seconds": round(run.seconds[name], 3),
            }
        )
    return figures


def _progress_bar(console: Console) -> rich_progress.Progress:
    return rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[note]}"),
        rich_progress.TimeRemainingColumn(),
        console=console,
    )
