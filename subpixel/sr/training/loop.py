"""The training loop: each batch trains every upsampler, so all see the same batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grain
import numpy as np
from flax import nnx
from rich.console import Console
from threadpoolctl import threadpool_limits

from subpixel.sr._support.interrupt import Interrupt
from subpixel.sr.data.patches import PatchCutter, PixelPair, batches
from subpixel.sr.models.base import Params
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.training.checkpoints import Checkpoints, restore
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.display import Display, traced_steps
from subpixel.sr.training.parallel import (
    agree,
    data_mesh,
    divide,
    is_first,
    local,
    replicate,
    rows_of_process,
    run_platform,
)
from subpixel.sr.training.records import Records
from subpixel.sr.training.state import RunState, initial_run, start_training
from subpixel.sr.training.step import CompiledStep, compile_step
from subpixel.sr.training.stepping import Stepper
from subpixel.sr.training.validation import validate, validation_batch


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
      graphs: the definition of each upsampler's network.
      params: the averaged parameters of each of these networks.
      run: the run state at the end.
      signal: the signal that stopped the training before its last step, or None.
      steps: the compiled training steps, where one device ran them; empty if none ran.
    """

    graphs: dict[str, nnx.GraphDef[Any]]
    params: dict[str, Params]
    run: RunState
    signal: int | None
    steps: Mapping[str, CompiledStep] = field(default_factory=dict)


def train(
    config: TrainingConfig,
    start_from: TrainedNetwork | None,
    pairs: Sequence[PixelPair],
    validation: Sequence[PixelPair],
    workdir: Path,
    console: Console,
    traces: Path | None = None,
) -> Trained:
    """Trains every upsampler of a config from the same function on the same batches.

    The training resumes from the newest checkpoint of the workdir, and writes checkpoints and
    records there.

    Args:
      config: what to train.
      start_from: the trained network that the config names, or None.
      pairs: training images, uint8 (h, w, c) and (r*h, r*w, c).
      validation: held-out images of the same kind.
      workdir: an existing folder.
      console: where progress is shown.
      traces: folder for a profiler trace of a few steps, or None.

    Raises:
      InputError: if the batch cannot be divided over the devices, or no checkpoint can be used.
      NonFiniteError: if the loss or a gradient is not finite.
      OSError: if a checkpoint or a record cannot be written.
    """
    mesh = data_mesh(config.data.batch_size)
    starts = {name: start_training(config, name, start_from) for name in config.upsamplers}
    starts = {
        name: replace(start, state=replicate(start.state, mesh)) for name, start in starts.items()
    }
    graphs = {name: start.graph for name, start in starts.items()}
    states = {name: start.state for name, start in starts.items()}
    restored = restore(workdir, config, console, states=states)
    if restored is not None:
        console.print(f"resuming from step {restored.step} of {config.steps}")
        if restored.step == config.steps:
            return _end(graphs, restored, None)
    rows = rows_of_process(config.data.batch_size)
    cutter = PatchCutter.from_config(pairs, config.model.scale, config.data, rows)
    iterator = batches(cutter, steps=config.steps, seed=config.seed)
    batch = divide(cutter(0, np.random.default_rng(0)), mesh)
    steps = {
        name: compile_step(start, batch, mesh, platform=run_platform())
        for name, start in starts.items()
    }
    run = restored or initial_run(states, iterator.get_state())
    iterator.set_state(run.iterator)
    with (
        Interrupt() as interrupt,
        Checkpoints(workdir, config, restored) as checkpoints,
        Records(workdir, restored and restored.step, console, is_first()) as records,
        Display(console, config.steps, run) as display,
        traced_steps(traces, console) as count_traced,
        # SOAP's QR decompositions are small: more threads of LAPACK wait for each other.
        threadpool_limits(1, "blas"),
    ):
        allowed = config.skips_allowed if config.on_nonfinite == "skip" else 0
        stepper = Stepper(steps, iterator, workdir, skips_allowed=allowed, mesh=mesh)
        held_out = validation_batch(validation)
        if restored is None:
            run = _validate(run, graphs, held_out, records)
        while run.step < config.steps and agree(interrupt, run.step) is None:
            run = stepper.advance(run)
            display.step(run)
            count_traced()
            logs, validates, saves = (
                run.step % every == 0 or run.step == config.steps
                for every in (config.log_every, config.validate_every, config.checkpoint_every)
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
    compiled = {} if mesh is not None else steps
    return replace(
        _end(graphs, run, interrupt.signal),
        steps={k: step for k, step in compiled.items() if isinstance(step, CompiledStep)},
    )


def _end(graphs: dict[str, nnx.GraphDef[Any]], run: RunState, signal: int | None) -> Trained:
    run = replace(run, states=local(run.states))
    params = {name: state.ema for name, state in run.states.items()}
    return Trained(graphs=graphs, params=params, run=run, signal=signal)


def _record(run: RunState, stepper: Stepper, records: Records, display: Display) -> RunState:
    """Writes a record of each upsampler and starts the next interval."""
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
    run: RunState, graphs: Mapping[str, nnx.GraphDef[Any]], held_out: PixelPair, records: Records
) -> RunState:
    """Measures every upsampler on the held-out images and records the scores."""
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
    run: RunState, iterator: grain.DatasetIterator, records: Records, checkpoints: Checkpoints
) -> RunState:
    """Starts a checkpoint, after the records up to it are on the disk."""
    run = replace(run, iterator=iterator.get_state())
    records.sync()
    checkpoints.save(run)
    return run
