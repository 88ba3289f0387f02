"""Trains the cells of evidence.md with several seeds and writes their raw results.

python research/evidence.py research/evidence.txt --data-root=DATA

A line of the table is the name of a cell, then options of `train.py`; text after "#" is a comment:

    espcn_x2 --config=research/configs/evidence_espcn.py --model.scale=2

The result is RESULTS/NAME.json. A cell whose result is there is skipped, and a training resumes, so
the same command continues. Benchmarks are measured after the last step.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from checkerboard import checkerboard_energy, flat_energy
from flax import nnx
from rich.console import Console

from subpixel.image import modcrop, rgb_to_luma
from subpixel.kernels import Layout
from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.cli._run import run_command
from subpixel.sr.cli.train import Options, parse_with_config
from subpixel.sr.config import Experiment
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.pairs import Pair, data_root, find_benchmarks
from subpixel.sr.data.training_set import load_training_set
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import evaluate
from subpixel.sr.find import find_start
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models.base import Network
from subpixel.sr.serialization import to_json
from subpixel.sr.sweep import seeded
from subpixel.sr.training.loop import Trained, train
from subpixel.sr.training.records import read_records
from subpixel.sr.workdir import claim_workdir

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Trains and measures each cell of a table that has no result yet."""

    table: tyro.conf.Positional[Path]
    """Text file with one cell a line."""
    only: tuple[str, ...] = ()
    """Names of the cells to run (default: all)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every cell."""
    checkerboard: Annotated[str, tyro.conf.arg(metavar="BENCHMARK")] = "Set5"
    """Benchmark whose enlargements the checkerboard energy is measured on."""
    results: Path = Path("research/results/evidence")
    """Folder of the results."""
    workdir: Path = Path("runs/evidence")
    """Folder of the trainings, NAME/seed-N."""
    data_root: Path | None = None
    """Where data sets lie (default: the environment variable SUBPIXEL_DATA)."""


def collect(options: Evidence) -> int:
    """Runs the cells that have no result yet.

    Returns:
      The exit code, 0; 128 plus the signal that stopped a training.

    Raises:
      InputError: if the table, a cell or a set cannot be used.
    """
    console, root = Console(), data_root(options.data_root)
    keep_compilations()
    cells = read_table(options.table)
    unknown = set(options.only) - set(cells)
    if unknown:
        raise InputError(
            f"--only names {', '.join(sorted(unknown))}; {options.table} has {', '.join(cells)}"
        )
    for name in options.only or cells:
        target = options.results / f"{name}.json"
        if target.exists():
            console.print(f"{name} is finished: {target}", soft_wrap=True)
            continue
        cell = Cell(cells[name], options, options.workdir / name, root, console)
        signal = cell.train()
        if signal is not None:
            return 128 + signal
        target.parent.mkdir(parents=True, exist_ok=True)
        write_json(target, {"name": name, **cell.measure()})
        console.print(f"{name}: {target}", soft_wrap=True)
    return 0


def read_table(path: Path) -> dict[str, Experiment]:
    """Returns the experiment of each cell of a table.

    Raises:
      InputError: if there is no such file, a name occurs twice, or an option cannot be used.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file; name a table, such as research/evidence.txt")
    cells: dict[str, Experiment] = {}
    for line in path.read_text().splitlines():
        name, *arguments = shlex.split(line, comments=True) or [""]
        if not name:
            continue
        if name in cells:
            raise InputError(f"{path} has two cells called {name}: give each its own name")
        cells[name] = parse_with_config(Options, arguments, name).experiment
    return cells


class Cell:
    """One cell: its data, its trainings by seed, and their measurement.

    Args:
      experiment: config of the cell; its seed is not used.
      options: of the command.
      workdir: folder of the trainings.
      root: folder of the data sets, or None.
      console: where progress is shown.
    """

    def __init__(
        self,
        experiment: Experiment,
        options: Evidence,
        workdir: Path,
        root: Path | None,
        console: Console,
    ):
        self.experiment = experiment
        self.experiments = seeded(experiment, options.seeds)
        self.workdir, self.console = workdir, console
        self.trained: dict[int, Trained] = {}
        model, data = experiment.model, experiment.data
        self.protocol = Protocol(model.scale, degradation=data.degradation)
        names = tuple(dict.fromkeys((*data.benchmarks, options.checkerboard)))
        benchmarks = find_benchmarks(names, root, model.scale, data.degradation)
        self.benchmarks = {name: benchmarks[name] for name in data.benchmarks}
        self.checkerboard = (options.checkerboard, benchmarks[options.checkerboard])
        first = workdir / f"seed-{next(iter(self.experiments))}"
        self.start_from = find_start(experiment)
        self.images = load_training_set(model, data, root, benchmarks=benchmarks, workdir=first)

    def train(self) -> int | None:
        """Trains with every seed; returns the signal that stopped a training, or None."""
        for seed, experiment in self.experiments.items():
            folder = self.workdir / f"seed-{seed}"
            claim_workdir(folder, experiment)
            self.images.record(folder)
            pairs, validation = self.images.pairs, self.images.validation
            trained = train(experiment, self.start_from, pairs, validation, folder, self.console)
            if trained.signal is not None:
                return trained.signal
            self.trained[seed] = trained
        return None

    def measure(self) -> Numbers:
        """Returns what evidence.md reads: every value, one for each seed."""
        model, upsamplers = self.experiment.model, self.experiment.upsamplers
        networks = {seed: self._trained_networks(seed) for seed in self.trained}
        scores = self._scores(networks)
        runs = [
            {
                name: {"psnr": scores[seed, name], **self._measure(seed, name, of[name])}
                for name in of
            }
            for seed, of in networks.items()
        ]
        work = {name: model.layers(name) for name in upsamplers}
        return {
            "scale": model.scale,
            "seeds": list(networks),
            "upsamplers": {
                name: {
                    **_lists([run[name] for run in runs]),
                    "parameters": sum(layer.parameters for layer in work[name]),
                    "multiply_adds_per_output_pixel": {
                        key: sum(getattr(layer, key) for layer in work[name]) / model.scale**2
                        for key in ("useful", "executed")
                    },
                }
                for name in upsamplers
            },
            "bicubic": scores["bicubic"],
            "checkerboard": self._reference_energy(),
            "training_images": len(self.images.pairs),
            "protocol": self.protocol.to_json(),
            "config": to_json(self.experiment),
            "environment": environment(),
        }

    def _trained_networks(self, seed: int) -> dict[Layout, Network]:
        """Returns the trained networks of a seed by upsampler, all in one layout.

        The conversion is exact, and one compiled program measures them all.
        """
        trained = self.trained[seed]
        return {
            name: nnx.merge(trained.graphs[name], trained.params[name]).with_upsampler("subpixel")
            for name in self.experiment.upsamplers
        }

    def _measure(self, seed: int, name: Layout, network: Network) -> Numbers:
        """Returns the measurements of one trained network, without its scores."""
        start = self.experiment.model.build(name, seed).with_upsampler("subpixel")
        validation = [
            record["validation_psnr"]
            for record in read_records(self.workdir / f"seed-{seed}" / "metrics.jsonl")
            if record["upsampler"] == name and record.get("validation_psnr") is not None
        ]
        return {
            "validation_psnr": {"start": validation[0], "end": validation[-1]},
            "flat_energy": {"start": flat_energy(start), "end": flat_energy(network)},
            "image_energy": {
                "start": self._image_energy(start),
                "end": self._image_energy(network),
            },
            "train_seconds": self.trained[seed].run.seconds[name],
        }

    def _scores(self, networks: Mapping[int, Mapping[Layout, Network]]) -> dict[Any, Numbers]:
        """Returns the PSNR by benchmark, of "bicubic" and of each (seed, upsampler)."""
        upscalers: dict[Any, Upscaler] = {"bicubic": BicubicUpscaler(self.protocol.scale)}
        for seed, of in networks.items():
            upscalers |= {(seed, name): upscaler(network) for name, network in of.items()}
        by_benchmark = {
            name: evaluate(upscalers, images, self.protocol)
            for name, images in self.benchmarks.items()
        }
        return {
            key: {benchmark: of[key].mean_psnr for benchmark, of in by_benchmark.items()}
            for key in upscalers
        }

    def _image_energy(self, network: Network) -> float:
        """Returns the mean checkerboard energy of a network's enlargements, not rounded."""
        enlarger, images = upscaler(network), self.checkerboard[1]
        energies = [
            checkerboard_energy(enlarger.luma_unrounded(self._lr(image))[..., 0], network.scale)
            for image in images
        ]
        return float(np.mean(energies))

    def _reference_energy(self) -> Numbers:
        """Returns the energy of the benchmark's originals and of their bicubic enlargements."""
        name, images = self.checkerboard
        scale = self.experiment.model.scale
        energies: dict[str, list[float]] = {"original": [], "bicubic": []}
        for image in images:
            original = rgb_to_luma(modcrop(image.hr.load(), scale))
            enlarged = BicubicUpscaler(scale).luma_unrounded(self._lr(image).astype(np.float64))
            energies["original"].append(checkerboard_energy(original[..., 0], scale))
            energies["bicubic"].append(checkerboard_energy(enlarged[..., 0], scale))
        return {"benchmark": name, **{key: float(np.mean(of)) for key, of in energies.items()}}

    def _lr(self, image: Pair) -> np.ndarray:
        """Returns the luma of the LR image, uint8 (h, w, 1)."""
        scale, degradation = self.experiment.model.scale, self.experiment.data.degradation
        return rgb_to_luma(make_lr(modcrop(image.hr.load(), scale), scale, degradation))


def upscaler(network: Network) -> NetworkUpscaler:
    """Returns a network as an upscaler."""
    graph, params = nnx.split(network)
    return NetworkUpscaler(graph, nnx.to_pure_dict(params))


def _lists(runs: Sequence[Numbers]) -> Numbers:
    """Returns one nested dict with lists in place of the numbers of several equal ones.

    Example:
      >>> _lists([{"a": {"b": 1}}, {"a": {"b": 2}}])
      {'a': {'b': [1, 2]}}
    """
    return {
        key: _lists([run[key] for run in runs])
        if isinstance(value, dict)
        else [run[key] for run in runs]
        for key, value in runs[0].items()
    }


if __name__ == "__main__":
    run_command(lambda: collect(tyro.cli(Evidence)))
