"""Describes an experiment before it runs: layers, work, memory and data."""

import math
from collections.abc import Sequence
from pathlib import Path

import jax
from rich.table import Table

from subpixel.kernels import Layout
from subpixel.sr.comparison.measure import temporary_mib
from subpixel.sr.comparison.speed import batch_shapes
from subpixel.sr.config import Experiment
from subpixel.sr.data.pairs import find_benchmarks, find_training
from subpixel.sr.models.layers import Layer
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import lower_step


def describe_upsampler(experiment: Experiment, name: Layout) -> Table:
    """Returns the layers of a network on a training batch, and the memory of its step."""
    model, data = experiment.model, experiment.data
    start = start_training(experiment, name)
    batch = batch_shapes(model, data)
    shape = batch["lr"].shape
    lowered = lower_step(start, batch, platform=run_platform())
    memory = temporary_mib(lowered.compile())
    table = Table(title=f"{name}, on a training batch of {_size(shape)}", title_justify="left")
    table.add_column("layer")
    for heading in ("kernel", "output", "parameters", "useful\nmultiply-adds", "executed"):
        table.add_column(heading, justify="right")
    layers, pixels = model.layers(name), math.prod(shape[:-1])
    for layer in layers:
        table.add_row(
            layer.name,
            _size(layer.kernel),
            _size(layer.output(shape)),
            *_numbers([layer], pixels),
        )
    table.add_section()
    table.add_row("all", "", "", *_numbers(layers, pixels))
    temporary = "" if memory is None else f"; temporaries of a step {_mib(memory)}"
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(start.state))
    table.caption = f"parameters, average and optimiser {_mib(state / 2**20)}{temporary}"
    return table


def _numbers(layers: Sequence[Layer], pixels: int) -> list[str]:
    """Returns the parameters and the useful and executed multiply-adds of layers together."""
    return [
        f"{sum(layer.parameters for layer in layers):,}",
        f"{pixels * sum(layer.useful for layer in layers):,}",
        f"{pixels * sum(layer.executed for layer in layers):,}",
    ]


def describe_data(experiment: Experiment, root: Path | None) -> list[str]:
    """Returns the sizes of the data sets and of the training, as lines of text.

    Raises:
      InputError: if a data set is not found.
    """
    data, scale = experiment.data, experiment.model.scale
    total = len(find_training(data, scale, root))
    benchmarks = find_benchmarks(data.benchmarks, root, scale, data.degradation)
    patches = experiment.steps * data.batch_size
    without = f" without {', '.join(data.exclude)}" if data.exclude else ""
    measured = ", ".join(f"{name} {len(images)}" for name, images in benchmarks.items())
    return [
        f"training: {total} images ({', '.join(data.train)}{without}), "
        f"{data.validation_images} of them held out",
        f"benchmarks: {measured}",
        f"{experiment.steps:,} steps of {data.batch_size} patches: {patches:,} patches of "
        f"{data.patch_size}x{data.patch_size} LR pixels, for each upsampler",
    ]


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _mib(mebibytes: float) -> str:
    return f"{mebibytes:.1f} MiB"
