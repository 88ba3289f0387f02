"""The training loop: every upsampler takes each batch in turn, so that all see the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grain
import numpy as np
from flax import nnx
from rich.console import Console

from subpixel.sr.data.patches import Pair, PatchCutter, batches
from subpixel.sr.training.checkpoints import Checkpoints, Progress, restore
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.display import Display
from subpixel.sr.training.interrupt import Interrupt
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.parallel import (
    agree,
    data_mesh,
    divide,
    local,
    replicate,
    rows_of_process,
)
from subpixel.sr.training.profiling import Profiler
from subpixel.sr.training.records import Records, open_records
from subpixel.sr.training.state import TrainState, init_state, lower_step
from subpixel.sr.training.stepping import Stepper
from subpixel.sr.training.validation import validate, validation_batch


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
    experiment: TrainingConfig,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    workdir: Path,
    console: Console,
    traces: Path | None = None,
) -> Trained:
    """Trains every upsampler of an experiment from the same function on the same batches.

    It goes on from the newest checkpoint in the workdir, and leaves checkpoints and records there.

    Args:
      experiment: what to do.
      pairs: training images, uint8 (h, w, c) and (r*h, r*w, c).
      validation: held-out images of the same kind.
      workdir: an existing folder.
      console: where progress is shown.
      traces: folder for a trace of a few steps, or None.

    Raises:
      InputError: if a step is not finite, or no checkpoint can be used.
      OSError: if a checkpoint or a record cannot be written.
    """
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    mesh = data_mesh(experiment.data.batch_size)
    graphs, states = {}, {}
    for name in experiment.upsamplers:
        graphs[name], state = init_state(experiment, name, optimizer)
        states[name] = replicate(state, mesh)
    restored = restore(workdir, experiment, states, console)
    if restored is not None:
        console.print(f"going on from step {restored.step} of {experiment.steps}")
        if restored.step == experiment.steps:
            return _end(graphs, restored, None)
    cutter = PatchCutter(
        pairs,
        scale=experiment.model.scale,
        patch_size=experiment.data.patch_size,
        batch_size=experiment.data.batch_size,
        augment=experiment.data.augment,
        rows=rows_of_process(experiment.data.batch_size),
    )
    iterator = batches(cutter, steps=experiment.steps, seed=experiment.seed)
    batch = divide(cutter(0, np.random.default_rng(0)), mesh)
    steps = {
        name: lower_step(experiment, graph, states[name], optimizer, batch, mesh).compile()
        for name, graph in graphs.items()
    }
    run = restored or _beginning(experiment, states, iterator)
    iterator.set_state(run.iterator)
    with (
        Interrupt() as interrupt,
        Checkpoints(workdir, experiment, restored) as checkpoints,
        open_records(workdir, restored and restored.step) as records,
        Display(console, experiment, run) as display,
        Profiler(traces, console) as profiler,
    ):
        stepper = Stepper(experiment, steps, iterator, workdir, mesh)
        held_out = validation_batch(validation)
        if restored is None:
            run = _validate(run, graphs, held_out, records)
        while run.step < experiment.steps and agree(interrupt, run.step) is None:
            run = stepper.advance(run)
            display.step(run)
            profiler.step()
            logs, validates, saves = (
                run.step % every == 0 or run.step == experiment.steps
                for every in (
                    experiment.log_every,
                    experiment.validate_every,
                    experiment.checkpoint_every,
                )
            )
            if logs or validates or saves:
                run = stepper.settle(run)
            if logs:
                run = _record(run, stepper, records, display)
            if validates or saves:
                run = _validate(run, graphs, held_out, records)
                display.validation(run)
            if saves:
                run = _save(run, iterator, records, checkpoints)
            checkpoints.check()
        run = _save(stepper.settle(run), iterator, records, checkpoints)
        checkpoints.wait()
    return _end(graphs, run, interrupt.signal)


def _end(graphs: dict[str, nnx.GraphDef[Any]], run: Progress, signal: int | None) -> Trained:
    return Trained(graphs, replace(run, states=local(run.states)), signal)


def _beginning(
    experiment: TrainingConfig, states: dict[str, TrainState], iterator: grain.DatasetIterator
) -> Progress:
    names = experiment.upsamplers
    return Progress(
        step=0,
        states=states,
        iterator=iterator.get_state(),
        seconds=dict.fromkeys(names, 0.0),
        losses={name: [] for name in names},
        skipped=dict.fromkeys(names, 0),
        skipped_last=dict.fromkeys(names, 0),
    )


def _record(run: Progress, stepper: Stepper, records: Records, display: Display) -> Progress:
    waited = round(stepper.data_wait_fraction(), 4)
    means = {name: sum(x) / len(x) if x else None for name, x in run.losses.items()}
    for name, loss in means.items():
        records.write(
            {
                "step": run.step,
                "upsampler": name,
                "loss": loss,
                "gradient_norm": run.norms.get(name),
                "skipped": run.skipped[name],
                "seconds": round(run.seconds[name], 3),
                "data_wait_fraction": waited,
            }
        )
    display.loss(next(iter(means.values())))
    return replace(run, losses={name: [] for name in run.losses}, norms={})


def _validate(
    run: Progress, graphs: Mapping[str, nnx.GraphDef[Any]], held_out: Pair, records: Records
) -> Progress:
    scores = {}
    for name, graph in graphs.items():
        scores[name], sample = validate(graph, local(run.states[name].ema), held_out)
        records.write(
            {
                "step": run.step,
                "upsampler": name,
                "validation_psnr": scores[name],
                "seconds": round(run.seconds[name], 3),
            }
        )
        records.image(run.step, f"sample/{name}", sample)
    records.sync()
    return replace(run, validation=scores)


def _save(
    run: Progress, iterator: grain.DatasetIterator, records: Records, checkpoints: Checkpoints
) -> Progress:
    run = replace(run, iterator=iterator.get_state())
    records.sync()
    checkpoints.save(run)
    return run
