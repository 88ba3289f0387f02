"""Results of a finished training: scores, speed, weights and the report page."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.sr.comparison.speed import summarise
from subpixel.sr.data import SourceImage, load_pair
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.environment import environment
from subpixel.sr.errors import InputError, NonFiniteError, UnfinishedError
from subpixel.sr.evaluation import Protocol, Scores, evaluate, scores_table
from subpixel.sr.files import write_json, write_text
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.report import SourceImage as ReportImage
from subpixel.sr.report import write_report
from subpixel.sr.training.records import Record


@contextmanager
def finishing(workdir: Path) -> Iterator[None]:
    """Reports in one line that something after a training failed, and how to repeat it.

    Raises:
      UnfinishedError: in place of an exception that is a defect. Its traceback is written to
        `workdir/traceback.txt`.
    """
    try:
        yield
    except (InputError, NonFiniteError, OSError):
        raise
    except Exception as error:
        where = workdir / "traceback.txt"
        with suppress(OSError):
            write_text(where, traceback.format_exc())
        raise UnfinishedError(
            f"the training is finished and saved in {workdir}, but its results are not complete: "
            f"{type(error).__name__}: {error} (traceback: {where}). The same command repeats only "
            "the measurements"
        ) from error


def write_comparison(
    workdir: Path,
    name: str,
    networks: Mapping[Layout, NetworkUpscaler],
    benchmarks: Mapping[str, Sequence[SourceImage]],
    degradation: Degradation,
    speed: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    history: Sequence[Record],
    console: Console,
) -> None:
    """Measures networks that differ in their upsampler; writes comparison.json and the page.

    Args:
      workdir: where they are written.
      name: of the experiment.
      networks: the trained network of each upsampler, all of one scale.
      benchmarks: images by the benchmark's name.
      degradation: how LR images are made.
      speed: speed of each upsampler, as from `measure_speed`.
      settings: of the training, for the page.
      history: records with the validation PSNR.
      console: where the results are shown.
    """
    first, network = next(iter(networks.items()))
    scale = network.scale
    protocol = Protocol(scale, degradation=degradation)
    upscalers: dict[str, Upscaler] = {"bicubic": BicubicUpscaler(scale), **networks}
    scores: dict[str, dict[str, Scores]] = {}
    for benchmark, images in benchmarks.items():
        with console.status(f"measuring {benchmark}"):
            scores[benchmark] = evaluate(upscalers, images, protocol)
    comparison = {
        **summarise(name, scale, scores, speed),
        "protocol": protocol.to_json(),
        "settings": dict(settings),
        "environment": environment(),
    }
    write_json(workdir / "comparison.json", comparison)
    kernel = network.params["upsampler"]["kernel"]
    write_report(
        workdir / "report.html",
        comparison,
        history,
        [
            _report_image(benchmark, image, upscalers, scores[benchmark], protocol)
            for benchmark, images in benchmarks.items()
            for image in _extremes(images, scores[benchmark], first)
        ],
        np.asarray(kernels.convert(kernel, scale, first, "zero_insert")),
    )
    rows = {name: {b: scores[b][name] for b in scores} for name in upscalers}
    console.print(protocol.describe())
    console.print(scores_table(name, rows, list(scores)))
    console.print(_speed_table(speed))
    console.print(f"page: {workdir / 'report.html'}", soft_wrap=True)


def _extremes(
    images: Sequence[SourceImage], scores: dict[str, Scores], model: str
) -> list[SourceImage]:
    """Returns the images whose PSNR gain over bicubic is the largest and the smallest."""

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


def _speed_table(speed: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        title="speed: medians, interleaved, on a training batch",
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
