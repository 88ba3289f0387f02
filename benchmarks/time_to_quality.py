"""Measures the PSNR on held-out images against minutes of training: SOAP, Adam, and PyTorch's Adam.

python benchmarks/time_to_quality.py --minutes=60 --json=FILE --chart=FILE

All train one network, ESPCN x3 on luma, on the same images, and take turns on the machine. The two
trainings with Adam have the settings with which ETDS trains ESPCN (`ETDS`), and the same initial
parameters and batches; SOAP has the settings of the released model, over several numbers of steps.
Minutes are those of training: decoding of the images, the start of the processes and measurement
are outside them, compilation is inside.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import jax
import numpy as np
import report
from race import torch_process
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from subpixel.image import psnr, to_uint8
from subpixel.sr._support.console import make_console
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig
from subpixel.sr.data.pairs import data_root, find_pairs
from subpixel.sr.data.patches import PatchCutter, PixelPairs, batches
from subpixel.sr.data.preparation import prepare
from subpixel.sr.data.training_set import load_training_set
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.export.torch_writer import torch_bytes
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.serialization import to_json
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import compile_step

HELD_OUT_FROM = ("General100", "BSDS500/test")
HELD_OUT_EVERY = 8
# Seconds of training before the first measurement, and how much later each further one is.
FIRST_S, LATER = 10.0, 1.4

# Not T91, whose images are smaller than ETDS's patches.
DATA = DataConfig(
    train=("General100", "BSDS500/train", "BSDS500/test"),
    sampling="images",
    exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
    skip_small=True,
    patch_size=32,
    batch_size=16,
)
# configs/espcn_x3.py.
SOAP = Experiment(
    name="soap",
    upsamplers=("subpixel",),
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=6.4, residual=True),
    data=DATA,
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-3, accumulation=4),
)
# github.com/ECNUSR/ETDS, configs/train/ESPCN/train_ESPCN_x3.yml, read on 2026-12-01; its images are
# DIV2K's, in RGB. The input's scale is the one with which Adam does best (research/recipe.md).
ETDS = replace(
    SOAP,
    name="adam",
    model=replace(SOAP.model, input_scale=1.6),
    data=replace(DATA, patch_size=64, batch_size=32),
    optimizer=OptimizerConfig(
        name="adam", learning_rate=5e-4, b1=0.9, b2=0.99, schedule="constant", warmup_steps=0,
        loss="l1", ema_decay=0.999,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Measures PSNR against minutes of training, ours and PyTorch's, in turns."""

    minutes: float = 60
    """Minutes of each training with Adam."""
    soap_steps: tuple[int, ...] = (1000, 4000, 16000)
    """Lengths of the trainings with SOAP, whose learning rate falls to zero over these steps."""
    torch: bool = True
    """Trains PyTorch too, if it is installed."""
    data_root: Path | None = None
    """Where data sets lie (default: the environment variable SUBPIXEL_DATA)."""
    json: Path | None = None
    """File for all curves and the environment."""
    chart: Path | None = None
    """File for the plot, PNG or SVG."""

    def __post_init__(self):
        if self.minutes <= 0:
            raise InputError(f"minutes must be positive; got {self.minutes}")
        if self.chart is not None and self.chart.suffix not in report.CHARTS:
            raise InputError(f"chart must end in {' or '.join(report.CHARTS)}; got {self.chart}")


class Ours:
    """A training by this project's step, which stops and goes on."""

    def __init__(self, experiment: Experiment, pairs: PixelPairs):
        self.steps, self._limit = 0, experiment.steps
        cutter = PatchCutter.from_config(pairs, experiment.model.scale, experiment.data)
        self._batches = batches(cutter, steps=experiment.steps, seed=0)
        self._start = start_training(experiment, "subpixel")
        self._state = self._start.state
        self._step: Callable[..., Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether all steps are done."""
        return self.steps == self._limit

    @threadpool_limits.wrap(limits=1, user_api="blas")  # as in a training
    def advance(self, seconds: float) -> float:
        """Trains for about so many seconds, and returns how many it were."""
        began = time.perf_counter()
        while not self.ended and time.perf_counter() < began + seconds:
            batch = next(self._batches)
            if self._step is None:
                self._step = compile_step(self._start, batch, platform=run_platform())
            self._state, _ = jax.block_until_ready(self._step(self._state, batch))
            self.steps += 1
        return time.perf_counter() - began

    def enlarge(self, lr: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the luma that the averaged network makes, not rounded."""
        upscaler = NetworkUpscaler(self._start.graph, self._state.ema)
        return [upscaler.luma_unrounded(image) for image in lr]


class PyTorch:
    """The same in the process of PyTorch; it does not end."""

    ended = False

    def __init__(
        self, ask: Callable[..., dict[str, Any]], folder: Path, etds: Experiment, pairs: PixelPairs
    ):
        self.steps, self._ask, self._folder = 0, ask, folder
        network = etds.model.build("subpixel", seed=0)
        state, code = torch_module(network.operations(), "subpixel")
        (folder / "weights.pth").write_bytes(torch_bytes(state))
        save_images(folder / "lr.npz", [lr for lr, _ in pairs])
        save_images(folder / "hr.npz", [hr for _, hr in pairs])
        self.facts = ask({"code": code, "folder": str(folder), "experiment": to_json(etds)})

    def advance(self, seconds: float) -> float:
        """Trains for about so many seconds, and returns how many it were."""
        reply = self._ask({"seconds": seconds})
        self.steps = reply["steps"]
        return reply["seconds"]

    def enlarge(self, lr: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the luma that the averaged network makes, not rounded."""
        given, made = self._folder / "given.npz", self._folder / "made.npz"
        save_images(given, lr)
        self._ask({"enlarge": str(given), "to": str(made)})
        return load_images(made)


def save_images(path: Path, images: Sequence[np.ndarray]) -> None:
    """Writes images to a file that another process reads."""
    np.savez(path, *images)


def load_images(path: Path) -> list[np.ndarray]:
    """Reads the images of `save_images`, in their order."""
    with np.load(path) as images:
        return list(images.values())


def load_data(options: Options) -> tuple[PixelPairs, PixelPairs]:
    """Returns the pairs to train on, and those that are held out."""
    root, model = data_root(options.data_root), ETDS.model
    measured = {
        name: find_pairs(name, root, model.scale)[::HELD_OUT_EVERY] for name in HELD_OUT_FROM
    }
    held_out = [pair for pairs in measured.values() for pair in pairs]
    # The larger patches of the two, so that all train on the same images.
    training = load_training_set(
        model, ETDS.data, root, benchmarks=measured, leave_out={p.hr.source for p in held_out}
    )
    return training.pairs, list(prepare(held_out, model.scale, model.channels).pairs)


def measure(options: Options, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Trains all in turns and measures them at the same minutes of training.

    Returns:
      ``{"environment": ..., "minutes": ..., "curves": {name: [{"minutes": float, "steps": int,
      "psnr": float}, ...]}}`` with the number of images; PSNR in dB, the mean over the held-out
      images, of rounded luma without a border of `scale` pixels.
    """
    pairs, held_out = load_data(options)
    facts = environment()
    with (
        tempfile.TemporaryDirectory() as folder,
        torch_process(options.torch, "torch_trainer.py") as ask,
    ):
        trainings: dict[str, Ours | PyTorch] = {
            f"SOAP, {steps} steps": Ours(replace(SOAP, steps=steps), pairs)
            for steps in options.soap_steps
        }
        trainings["Adam"] = Ours(replace(ETDS, steps=sys.maxsize), pairs)
        if ask is not None:
            trainings["PyTorch, Adam"] = torch = PyTorch(ask, Path(folder), ETDS, pairs)
            facts |= torch.facts
        curves: dict[str, list[dict[str, float]]] = {name: [] for name in trainings}
        seconds = dict.fromkeys(trainings, 0.0)
        for moment in moments(60 * options.minutes):
            for name, training in trainings.items():
                if training.ended:
                    continue
                seconds[name] += training.advance(moment - seconds[name])
                point = {
                    "minutes": round(seconds[name] / 60, 4),
                    "steps": training.steps,
                    "psnr": round(mean_psnr(training, held_out), 4),
                }
                curves[name].append(point)
                progress(f"{name}: {point['minutes']:.1f} min, {point['psnr']:.3f} dB")
    images = {"training_images": len(pairs), "held_out_images": len(held_out)}
    return {"environment": facts, "minutes": options.minutes, **images, "curves": curves}


def moments(end: float) -> Iterator[float]:
    """Yields the seconds of training at which all are measured, the last of them `end`."""
    moment = FIRST_S
    while moment < end:
        yield moment
        moment *= LATER
    yield end


def mean_psnr(training: Ours | PyTorch, held_out: PixelPairs) -> float:
    """Returns the mean PSNR in dB of a training's averaged network."""
    enlarged = training.enlarge([lr for lr, _ in held_out])
    return fmean(
        float(psnr(to_uint8(made), hr, shave=ETDS.model.scale))
        for made, (_, hr) in zip(enlarged, held_out, strict=True)
    )


def minutes_to(curve: Sequence[dict[str, float]], wanted: float) -> float | None:
    """Returns the first minute at which a curve, straight between its points, has a PSNR."""
    earlier = None
    for point in curve:
        if point["psnr"] >= wanted:
            if earlier is None:
                return point["minutes"]
            part = (wanted - earlier["psnr"]) / (point["psnr"] - earlier["psnr"])
            return earlier["minutes"] + part * (point["minutes"] - earlier["minutes"])
        earlier = point
    return None


def show(results: dict[str, Any], console: Console) -> None:
    """Prints what each training ends with, and when it has the last PSNR of the slowest library."""
    curves = results["curves"]
    slowest = "PyTorch, Adam" if "PyTorch, Adam" in curves else "Adam"
    wanted = curves[slowest][-1]["psnr"]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("training", no_wrap=True)
    for column in ("steps", "minutes", "PSNR, dB", f"minutes to\n{wanted:.2f} dB", "times\nfewer"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, curve in curves.items():
        last, needed = curve[-1], minutes_to(curve, wanted)
        table.add_row(
            name,
            str(last["steps"]),
            f"{last['minutes']:.1f}",
            f"{last['psnr']:.3f}",
            "never" if needed is None else f"{needed:.1f}",
            "" if needed is None else f"{curves[slowest][-1]['minutes'] / needed:.1f}",
        )
    console.print(table)


def run(options: Options) -> int:
    """Measures, prints the table and writes the files that are asked for."""
    check_outputs(options.json, options.chart)
    console = make_console()
    results = measure(options, lambda line: console.print(line, style="dim"))
    show(results, console)
    if options.json is not None:
        write_json(options.json, results)
    if options.chart is not None:
        report.draw_curves(results["curves"], options.chart)
    return 0


def main() -> int:
    return run(parse_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    run_command(main)
