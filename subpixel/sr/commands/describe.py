"""What an experiment will be, before it runs: ``python -m subpixel describe``."""

import math
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from subpixel.sr.commands.cli import TrainOptions
from subpixel.sr.config import Experiment
from subpixel.sr.data.sources import data_root, find_benchmarks
from subpixel.sr.experiment import find_training
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import init_state, lower_step


def describe(options: TrainOptions) -> int:
    """Prints layers, work and memory of every upsampler, and the sizes of the data sets.

    Raises:
      InputError: if a data set is not there.
    """
    experiment, console = options.experiment, Console()
    for name in experiment.upsamplers:
        console.print(describe_upsampler(experiment, name))
    for line in _data_lines(experiment, options):
        console.print(line, soft_wrap=True)
    return 0


def describe_upsampler(experiment: Experiment, name: Any) -> Table:
    """Returns the layers of a network on a training batch, and the memory of its step."""
    model, data = experiment.model, experiment.data
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    graph, state = init_state(model, name, optimizer, experiment.seed)
    shape = (data.batch_size, data.patch_size, data.patch_size, model.channels)
    batch = {
        key: jax.ShapeDtypeStruct((shape[0], r * shape[1], r * shape[2], shape[3]), np.uint8)
        for key, r in (("lr", 1), ("hr", model.scale))
    }
    lowered = lower_step(experiment.optimizer, graph, state, optimizer, batch)
    memory = lowered.compile().memory_analysis()
    table = Table(title=f"{name}, on a training batch of {_size(shape)}", title_justify="left")
    table.add_column("layer")
    for heading in ("kernel", "output", "parameters", "useful\nmultiply-adds", "executed"):
        table.add_column(heading, justify="right")
    rows = layer_rows(state.params, name, shape, model.scale)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    table.add_section()
    totals = (sum(row[column] for row in rows) for column in (3, 4, 5))
    table.add_row("all", "", "", *(f"{total:,}" for total in totals))
    temporary = (
        "" if memory is None else f"; temporaries of a step {_mib(memory.temp_size_in_bytes)}"
    )
    table.caption = f"parameters, average and optimiser {_mib(_nbytes(state))}{temporary}"
    return table


def layer_rows(
    params: dict[str, Any], upsampler: str, shape: tuple[int, ...], scale: int
) -> list[tuple[Any, ...]]:
    """Returns name, kernel, output, parameters, useful and executed multiply-adds of each layer.

    Every layer works at low resolution, and each number of a kernel is used once a pixel there;
    "zero_insert" multiplies inserted zeros as well, r**2 - 1 times as many.

    Args:
      params: of the network.
      upsampler: how its layer "upsampler" is spelled.
      shape: of the input, (n, h, w, c).
      scale: r.
    """
    count, height, width, channels = shape
    hr = (count, scale * height, scale * width, channels)
    rows = []
    order = [name for name in params if name.startswith("conv")] + ["upsampler", "bias"]
    for name in order:
        leaves = jax.tree.leaves(params[name])
        kernel: tuple[int, ...] = getattr(params[name].get("kernel"), "shape", ())
        useful = math.prod(kernel) * count * height * width if kernel else 0
        zeros = scale**2 if (name, upsampler) == ("upsampler", "zero_insert") else 1
        output = (*shape[:3], *kernel[-1:]) if name.startswith("conv") else hr
        rows.append(
            (
                name,
                _size(kernel),
                _size(output),
                sum(leaf.size for leaf in leaves),
                useful,
                useful * zeros,
            )
        )
    return rows


def _data_lines(experiment: Experiment, options: TrainOptions) -> list[str]:
    data, scale = experiment.data, experiment.model.scale
    root = data_root(options.data_root)
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
        f"{data.patch_size}x{data.patch_size} low-resolution pixels, for each upsampler",
    ]


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _nbytes(tree: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
