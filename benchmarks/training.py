"""Measures training steps beside PyTorch's, and the input pipeline.

python benchmarks/training.py --networks espcn fsrcnn plain --json FILE
"""

import functools
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import report
from networks import CONFIGS, NetworkName
from race import Program, race, torch_process
from threadpoolctl import threadpool_limits

from subpixel.sr._support.console import make_console
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.comparison.measure import compile_anew, temporary_mib
from subpixel.sr.comparison.speed import RepeatedStep, noise_batch
from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.data.patches import PatchCutter, batches
from subpixel.sr.data.preparation import prepare
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.models.base import Dtype
from subpixel.sr.training.config import CpuConvolutions
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import compiler_options, lower_step

# Timed steps in a round. Consecutive steps find memory and caches as in a training.
STEPS = 5

# Batches that measure the input pipeline: about a second of work.
INPUT_BATCHES = 400


@dataclass(frozen=True)
class Workload:
    """A training batch."""

    batch_size: int
    patch_size: int
    """Height and width of the LR patches, in pixels."""

    @property
    def name(self) -> str:
        return f"{self.batch_size} x {self.patch_size}x{self.patch_size}"


WORKLOADS = (Workload(16, 17), Workload(16, 32), Workload(32, 48))


@dataclass(frozen=True)
class Options:
    """Measures the training step, ours and PyTorch's side by side, and the input pipeline."""

    networks: tuple[NetworkName, ...] = ("espcn",)
    """Networks to measure."""
    rounds: int = 30
    """Timed rounds of five steps of each."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    torch_compile: bool = False
    """Measures torch.compile too; each batch takes some seconds to compile."""
    dtype: Dtype = "float32"
    """Data type of our layers."""
    accumulation: int | None = None
    """Number of parts in which our step differentiates a batch (default: that of train.py)."""
    cpu_convolutions: CpuConvolutions = "default"
    """Library of our convolutions on a CPU, as in the config."""
    json: Path | None = None
    """File for all results and the environment."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")


def run(options: Options) -> int:
    """Measures, prints the table and writes the file that is asked for."""
    check_outputs(options.json)
    console = make_console()
    results = measure_training(
        options, lambda name: console.print(f"measuring {name}", style="dim")
    )
    report.show_training(results, console)
    if options.json is not None:
        write_json(options.json, results)
    return 0


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in a training
def measure_training(
    options: Options, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Times the training step of each network and workload, JAX's and PyTorch's interleaved.

    The networks are all x3 with the sub-pixel upsampler. `progress` receives the name of each
    workload before its measurement.

    Returns:
      ``{"environment": ..., "batches": {name: {"step": {library: times}, "input": ...}}}`` and
      the arguments. The times are those of `race`; the library is "subpixel", "subpixel, SOAP", or
      PyTorch with a memory format. Names of ESPCN are those of the workload, and other networks
      stand before it: "fsrcnn, 16 x 17x17". "input" has ``patches_per_second``, the rate of
      the input pipeline alone, and ``times_consumed``, this rate divided by that of our step.
    """
    results: dict[str, Any] = {}
    facts = environment()
    pairs = prepare(find_pairs("embedded:train", None), scale=3, channels=1).pairs
    with torch_process(options.torch) as ask:
        for network, workload in itertools.product(options.networks, WORKLOADS):
            name = workload.name if network == "espcn" else f"{network}, {workload.name}"
            progress(name)
            experiment = Experiment(
                name="bench",
                upsamplers=("subpixel",),
                model=CONFIGS[network](scale=3, dtype=options.dtype),
                data=DataConfig(patch_size=workload.patch_size, batch_size=workload.batch_size),
                optimizer=OptimizerConfig(
                    accumulation=options.accumulation,
                    cpu_convolutions=options.cpu_convolutions,
                ),
            )
            soap = replace(experiment, optimizer=replace(experiment.optimizer, name="soap"))
            programs = {"subpixel": compile_step(experiment), "subpixel, SOAP": compile_step(soap)}
            times = None
            if ask is not None:
                facts |= ask(_torch_request(experiment, options.torch_compile))
                times = functools.partial(ask, {"run": "step", "repeat": STEPS})
            step = race(programs, times, options.rounds, STEPS)
            delivered = patches_per_second(experiment, pairs)
            consumed = workload.batch_size / step["subpixel"]["median_ms"] * 1e3
            results[name] = {
                "step": step,
                "input": {
                    "patches_per_second": delivered,
                    "times_consumed": delivered / consumed,
                },
            }
    keys = ("rounds", "dtype", "accumulation", "cpu_convolutions")
    chosen = {key: getattr(options, key) for key in keys}
    return {"environment": facts, **chosen, "batches": results}


def _torch_request(experiment: Experiment, compiled: bool) -> dict[str, Any]:
    """Returns the request for PyTorch's step of an experiment: its network as PyTorch's code."""
    model, data = experiment.model, experiment.data
    _, code = torch_module(model.build("subpixel", seed=0).operations(), "subpixel")
    return {
        "prepare": "training",
        "code": code,
        "lr": [data.batch_size, data.patch_size, data.patch_size, model.channels],
        "scale": model.scale,
        "compiled": compiled,
    }


def compile_step(experiment: Experiment) -> Program:
    """Compiles the training step of an experiment's first upsampler, for a batch of noise."""
    batch = noise_batch(experiment.model, experiment.data, experiment.seed)
    start = start_training(experiment, experiment.upsamplers[0])
    platform = run_platform()
    compiled, seconds = compile_anew(
        lambda: lower_step(start, batch, platform=platform),
        compiler_options(experiment.optimizer, platform),
    )
    return Program(RepeatedStep(compiled, start.state, batch), seconds, temporary_mib(compiled))


def patches_per_second(experiment: Experiment, pairs) -> float:
    """Returns the rate of the input pipeline alone, in patches per second."""
    data = experiment.data
    cutter = PatchCutter.from_config(pairs, experiment.model.scale, data)
    iterator = batches(cutter, steps=INPUT_BATCHES + 1, seed=0)
    next(iterator)
    start = time.perf_counter()
    for _ in range(INPUT_BATCHES):
        next(iterator)
    return INPUT_BATCHES * data.batch_size / (time.perf_counter() - start)


def main() -> int:
    return run(parse_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    run_command(main)
