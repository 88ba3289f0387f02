"""Compares training recipes by short trainings, judged on held-out images.

python research/search.py research/search.txt --results=research/results/search/seeds.jsonl

A line of the table is a number of steps, then fields of the config by their dotted names, which
differ from `BASE`; text after "#" is a comment:

    1500 optimizer.name=adam seed=1

"then" divides a line into stages: a stage starts from the averaged parameters of the one before it,
with its own schedule, and states how it differs from `BASE`. So patches can grow:

    750 data.patch_size=16 data.batch_size=64 then 750 data.patch_size=48

"teacher=NAME" is no field: training images are then the mean of the originals and of what the
released model NAME, with self-ensemble, makes of their LR images. That is distillation: for the
mean squared error it equals half the loss against each of the two. The released models were
trained on the images that are held out here, so the score of such a line is too high if anything.

A line whose result is in the file already is skipped, so the same command resumes a search. A
score is the mean PSNR of luma over every eighth image of BSDS500/test, or of the sets of
`--held-out` and then over these sets; no training sees these images. It is that of the averaged
parameters at the last step. No benchmark is read.
"""

import ast
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import tyro
from rich.console import Console

from subpixel.image import to_uint8
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import run_command
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig
from subpixel.sr.data.pairs import Pair, data_root, find_pairs
from subpixel.sr.data.patches import PixelPair
from subpixel.sr.data.training_set import load_training_set
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import evaluate
from subpixel.sr.find import find_start
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.models.released import load_released
from subpixel.sr.models.trained import TrainedNetwork, named_params
from subpixel.sr.provenance import Provenance
from subpixel.sr.serialization import from_json, to_json
from subpixel.sr.training.loop import Trained, train

HELD_OUT_FROM = ("BSDS500/test",)
HELD_OUT_EVERY = 8
TEACHER = "teacher="
STAGE = " then "

BASE = Experiment(
    name="search",
    upsamplers=("subpixel",),
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=6.4, residual=True),
    data=DataConfig(
        train=("T91", "General100", "BSDS500/train", "BSDS500/test"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
        patch_size=32,
        skip_small=True,
        batch_size=16,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-3, warmup_steps=200, accumulation=4),
    # The end of a short training is measured, and it is never resumed.
    checkpoint_every=10**6,
    validate_every=10**6,
)


@dataclass(frozen=True)
class Search:
    """Trains each line of a table and appends its score to a file."""

    table: tyro.conf.Positional[Path]
    """Text file with one training a line."""
    results: Path
    """File for the scores, one JSON object a line."""
    held_out: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SET")] = HELD_OUT_FROM
    """Sets whose every eighth image is held out for the score."""
    data_root: Path | None = None
    """Where data sets lie (default: the environment variable SUBPIXEL_DATA)."""


def search(options: Search) -> int:
    """Runs the lines that have no result yet, and prints the score of every line.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the table, a line or a set cannot be used.
    """
    console = Console()
    root = data_root(options.data_root)
    if not options.table.is_file():
        raise InputError(f"{options.table} is no file; name a table, such as research/search.txt")
    lines = [" ".join(line.split("#")[0].split()) for line in read_lines(options.table)]
    trainings = {line: read_stages(line) for line in lines if line}
    done = {result["line"]: result for result in map(json.loads, read_lines(options.results))}
    for line, stages in trainings.items():
        result = done.get(line)
        if result is None:
            teacher = read_teacher(line)
            result = {"line": line, **measure(stages, teacher, options.held_out, root, console)}
            options.results.parent.mkdir(parents=True, exist_ok=True)
            with options.results.open("a") as file:
                file.write(json.dumps(result) + "\n")
        console.print(f"{result['psnr']:.4f} dB {result['seconds']:.0f} s  {line}")
    return 0


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a file, none if it is missing."""
    return path.read_text().splitlines() if path.exists() else []


def read_stages(line: str) -> list[Experiment]:
    """Returns the stages of a line, nearly always one.

    Raises:
      InputError: if a field is unknown or its value cannot be used, or the stages have different
        networks.
    """
    stages = [read_line(stage) for stage in line.split(STAGE)]
    if any(stage.model != stages[0].model for stage in stages):
        raise InputError(f"the stages of the line {line!r} must have the same model")
    return stages


def read_line(line: str) -> Experiment:
    """Returns BASE with the steps and fields of a line of one stage.

    Raises:
      InputError: if a field is unknown or its value cannot be used.
    """
    steps, *fields = (word for word in line.split() if not word.startswith(TEACHER))
    values: dict[str, Any] = {**to_json(BASE), "steps": as_value(steps)}
    for field in fields:
        name, _, text = field.partition("=")
        *path, last = name.split(".")
        place = values
        for key in path:
            place = place.get(key, {})
        if last not in place:
            raise InputError(f"{name} is no field of the config, in the line {line!r}")
        place[last] = as_value(text)
    return from_json(values, Experiment, f"the line {line!r}")


def read_teacher(line: str) -> str | None:
    """Returns the released model of "teacher=" in a line, or None."""
    names = [word.removeprefix(TEACHER) for word in line.split() if word.startswith(TEACHER)]
    return names[-1] if names else None


def as_value(text: str) -> Any:
    """Returns a number, list or truth value as Python writes it; any other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def measure(
    stages: Sequence[Experiment],
    teacher: str | None,
    held_out: tuple[str, ...],
    root: Path | None,
    console: Console,
) -> dict[str, Any]:
    """Trains all stages, and returns the score with what made it."""
    last = stages[-1]
    model, data = last.model, last.data
    measured = {
        name: find_pairs(name, root, model.scale, data.degradation)[::HELD_OUT_EVERY]
        for name in held_out
    }
    (name,) = last.upsamplers
    runs: list[Trained] = []
    training: Sequence[PixelPair] = ()
    with tempfile.TemporaryDirectory() as folder:
        for number, stage in enumerate(stages):
            training, watched = stage_pairs(stage, measured, teacher, root)
            workdir = Path(folder) / str(number)
            workdir.mkdir()
            start_from = find_start(stage)
            if runs:
                before = Provenance(name=f"stage {number}")
                params = runs[-1].params[name]
                start_from = TrainedNetwork(before.name, before, model, name, params)
            runs.append(train(stage, start_from, training, watched, workdir, console))
    trained = runs[-1]
    params = trained.params[name]
    protocol = Protocol(model.scale, degradation=data.degradation)
    upscaler = NetworkUpscaler(trained.graphs[name], params)
    psnr = {
        held: evaluate({name: upscaler}, images, protocol)[name].mean_psnr
        for held, images in measured.items()
    }
    return {
        "psnr": round(fmean(psnr.values()), 4),
        "psnr_of_sets": {held: round(value, 4) for held, value in psnr.items()},
        "images": sum(map(len, measured.values())),
        "seconds": round(sum(of.run.seconds[name] for of in runs), 1),
        "parameters": sum(array.size for array in named_params(params).values()),
        "training_images": len(training),
        "config": to_json(last),
        "environment": environment(),
    }


def stage_pairs(
    stage: Experiment,
    measured: Mapping[str, Sequence[Pair]],
    teacher: str | None,
    root: Path | None,
) -> tuple[Sequence[PixelPair], Sequence[PixelPair]]:
    """Returns the pairs to train on, without the images that are measured, and those watched."""
    sources = {pair.hr.source for pairs in measured.values() for pair in pairs}
    images = load_training_set(
        stage.model, stage.data, root, benchmarks=measured, leave_out=sources
    )
    training = images.pairs
    return training if teacher is None else distil(training, teacher), images.validation


def distil(pairs: Sequence[PixelPair], teacher: str) -> list[PixelPair]:
    """Returns the pairs with the mean of the original and of the teacher's image, rounded.

    Raises:
      InputError: if the teacher is no released model of luma.
    """
    network = load_released(teacher)
    upscaler = NetworkUpscaler(network.graph, network.params, self_ensemble=True)
    return [(lr, to_uint8((hr + upscaler.luma_unrounded(lr)) / 2)) for lr, hr in pairs]


def main() -> int:
    return search(tyro.cli(Search))


if __name__ == "__main__":
    run_command(main)
