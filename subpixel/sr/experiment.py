"""Runs an experiment from its images to its page: what `train.py` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from subpixel import kernels
from subpixel.sr.comparison.speed import measure_speed, summarise
from subpixel.sr.config import Experiment
from subpixel.sr.data import SourceImage, check_no_leak, find_images, load_pair, prepare
from subpixel.sr.data.sources import find_benchmarks
from subpixel.sr.environment import environment
from subpixel.sr.errors import InputError
from subpixel.sr.evaluation import Protocol, Scores, evaluate, scores_table
from subpixel.sr.files import write_json
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models.weights import save_weights
from subpixel.sr.report import SourceImage as ReportImage
from subpixel.sr.report import write_report
from subpixel.sr.training import train
from subpixel.sr.training.loop import Trained
from subpixel.sr.training.noise import print_failures_once
from subpixel.sr.training.parallel import first_before_others, is_first
from subpixel.sr.training.records import read_records
from subpixel.sr.workdir import check_workdir, claim_workdir, weights_file


def run(
    experiment: Experiment,
    workdir: Path,
    root: Path | None,
    console: Console,
    profile: bool = False,
) -> int:
    """Trains, measures and compares; the same call on the same workdir goes on where it stopped.

    Args:
      experiment: what to do.
      workdir: where everything is left; made if it is not there.
      root: where data sets lie, or None.
      console: where progress and results are shown.
      profile: whether a few steps are traced into `workdir/profile`.

    Returns:
      The exit code of the command: 0, or 128 and the signal that stopped the training.

    Raises:
      InputError: if the images, the workdir or the loss do not allow it.
    """
    print_failures_once()
    model, data = experiment.model, experiment.data
    training = find_training(experiment, root)
    benchmarks = find_benchmarks(data.benchmarks, root, model.scale, data.degradation)
    check_workdir(workdir, experiment)
    console.print(
        f"{experiment.name}: {len(training)} training images, "
        + ", ".join(f"{name} {len(images)}" for name, images in benchmarks.items())
    )
    kept, held_out = hold_out(len(training), data.validation_images)
    with first_before_others(), console.status("preparing images") as status:
        prepared = prepare(
            training,
            model.scale,
            model.channels,
            data.degradation,
            progress=lambda done, of: status.update(f"preparing images: {done} of {of}"),
            least=data.patch_size,
        )
        measured = [p for images in benchmarks.values() for p in images]
        check_no_leak(training, measured, prepared.fingerprints)
    pairs, validation = prepared.select(kept), prepared.select(held_out)
    if is_first():
        claim_workdir(workdir, experiment)
    traces = workdir / "profile" if profile else None
    trained = train(experiment, pairs, validation, workdir, console, traces)
    if trained.signal is not None:
        console.print(
            f"stopped at step {trained.progress.step} of {experiment.steps}, which is saved in "
            f"{workdir}: the same command goes on from there"
        )
        return 128 + trained.signal
    if not is_first():
        return 0
    settings = {"training_images": len(kept), "validation_images": len(held_out)}
    compare(experiment, trained, benchmarks, settings, workdir, console)
    return 0


def find_training(experiment: Experiment, root: Path | None) -> list[SourceImage]:
    """Returns the images to train on, those to validate on among them.

    Args:
      experiment: names the sources, and what is left out of them.
      root: where data sets lie, or None.

    Raises:
      InputError: if a source is not found, or nothing has the name of what is left out.
    """
    data = experiment.data
    images = [
        image
        for source in data.train
        for image in find_images(source, root, experiment.model.scale, data.degradation)
    ]
    unknown = set(data.exclude) - {image.name for image in images}
    if unknown:
        raise InputError(
            f"data.exclude names {', '.join(sorted(unknown))}, which no training image is called"
        )
    return [image for image in images if image.name not in data.exclude]


def hold_out(images: int, count: int) -> tuple[list[int], list[int]]:
    """Splits off `count` of so many images, evenly spaced, to validate on.

    Returns:
      The indices of the others, and of those.

    Raises:
      InputError: if none would be left to train on.
    """
    if count >= images:
        raise InputError(
            f"data.validation_images is {count}, but there are only {images} training "
            "images: at least one must be left to train on"
        )
    chosen = [i * images // count + images // (2 * count) for i in range(count)]
    return [i for i in range(images) if i not in chosen], chosen


def compare(
    experiment: Experiment,
    trained: Trained,
    benchmarks: dict[str, list[SourceImage]],
    settings: dict[str, Any],
    workdir: Path,
    console: Console,
) -> None:
    """Measures what was trained, and writes weights, comparison.json and the report page."""
    model = experiment.model
    protocol = Protocol(model.scale, degradation=experiment.data.degradation)
    upscalers: dict[str, Upscaler] = {"bicubic": BicubicUpscaler(model.scale)}
    for name in experiment.upsamplers:
        params = trained.progress.states[name].ema
        upscalers[name] = NetworkUpscaler(trained.graphs[name], params, model.scale, model.channels)
        save_weights(weights_file(workdir, name), params, model, name)
    scores: dict[str, dict[str, Scores]] = {}
    for benchmark, images in benchmarks.items():
        with console.status(f"measuring {benchmark}"):
            scores[benchmark] = evaluate(upscalers, images, protocol)
    with console.status("measuring speed"):
        speed = measure_speed(experiment)
    data = experiment.data
    comparison = {
        **summarise(experiment.name, experiment, scores, speed),
        "protocol": protocol.to_json(),
        "settings": {
            "steps": experiment.steps,
            "seed": experiment.seed,
            "training_data": ", ".join(data.train),
            **settings,
            "batch_size": data.batch_size,
            "patch_size": data.patch_size,
            "learning_rate": experiment.optimizer.learning_rate,
            "loss": experiment.optimizer.loss,
            "ema_decay": experiment.optimizer.ema_decay,
            "train_seconds": trained.progress.seconds,
        },
        "environment": environment(),
    }
    write_json(workdir / "comparison.json", comparison)
    first = experiment.upsamplers[0]
    kernel = trained.progress.states[first].ema["upsampler"]["kernel"]
    write_report(
        workdir / "report.html",
        comparison,
        [r for r in read_records(workdir / "metrics.jsonl") if "validation_psnr" in r],
        [
            _report_image(benchmark, image, upscalers, scores[benchmark], protocol)
            for benchmark, images in benchmarks.items()
            for image in _extremes(images, scores[benchmark], first)
        ],
        np.asarray(kernels.convert(kernel, model.scale, first, "zero_insert")),
    )
    rows = {name: {b: scores[b][name] for b in scores} for name in upscalers}
    console.print(protocol.describe())
    console.print(scores_table(experiment.name, rows, list(scores)))
    console.print(_speed_table(speed))
    console.print(f"page: {workdir / 'report.html'}", soft_wrap=True)


def _extremes(
    images: Sequence[SourceImage], scores: dict[str, Scores], model: str
) -> list[SourceImage]:
    """Returns the image that gains most over bicubic and the one that gains least."""

    def gain(image: SourceImage) -> float:
        return scores[model].psnr[image.name] - scores["bicubic"].psnr[image.name]

    ranked = sorted(images, key=gain, reverse=True)
    return ranked[:1] + ranked[1:][-1:]


def _report_image(
    benchmark: str,
    image: SourceImage,
    upscalers: dict[str, Upscaler],
    scores: dict[str, Scores],
    protocol: Protocol,
) -> ReportImage:
    lr, original = load_pair(image, protocol.scale, protocol.degradation)
    views = {name: upscaler.rgb(lr) for name, upscaler in upscalers.items()}
    return ReportImage(
        benchmark=benchmark,
        name=image.name,
        views={**views, "original": original},
        psnr={name: scores[name].psnr[image.name] for name in upscalers},
    )


def _speed_table(speed: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        title="speed: medians, measured in turn on a training batch",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for heading in (
        "step\nms", "", "gradient\nms", "forward\nms", "compile\ns",
        "useful\nGFLOP", "executed\nGFLOP", "temporary\nMiB",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    fastest = min(entry["train_step_ms"] for entry in speed.values())
    for name, entry in speed.items():
        table.add_row(
            name,
            f"{entry['train_step_ms']:.1f}",
            f"{entry['train_step_ms'] / fastest:.1f}x",
            f"{entry['gradient_ms']:.1f}",
            f"{entry['forward_ms']:.1f}",
            f"{entry['compile_s']:.2f}",
            f"{entry['gflop_useful']:.2f}",
            f"{entry['gflop_executed']:.2f}",
            "" if entry["temp_mib"] is None else f"{entry['temp_mib']:.1f}",
        )
    return table
