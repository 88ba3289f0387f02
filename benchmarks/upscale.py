"""Measures PSNR, consistency with the input, and time of the routes to enlarge to a size.

python benchmarks/upscale.py --data-root=DATA
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Column, Table

from subpixel.image import imresize, modcrop, psnr, rgb_to_luma
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.data.pairs import Pair, data_root, find_benchmarks
from subpixel.sr.photo.engine import DEFAULT_MODEL, ModelFamily, find_models
from subpixel.sr.photo.strips import Strips, enlarge, resize

UNITS = ("dB", "% equal", "s/MP")


@dataclass(frozen=True)
class Options:
    """Measures PSNR and time of the routes to enlarge to a size: docs/enlarge.md."""

    benchmarks: tuple[str, ...] = ("Set5", "Set14")
    """Folders of original images, under the data root or anywhere, or "embedded:test"."""
    scales: tuple[int, ...] = (2, 3, 4, 6)
    """Sizes of the results, in multiples of the input."""
    model: str = DEFAULT_MODEL
    """As in `upscale`."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Measures and prints a table.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if a set or the model is not found, or a scale is below 2.
    """
    if min(options.scales, default=0) < 2:
        raise InputError(f"scales must be whole numbers of at least 2; got {options.scales}")
    benchmarks = find_benchmarks(options.benchmarks, data_root(options.data_root))
    table = Table(
        Column("route", no_wrap=True), *(f"{name}, {unit}" for name in benchmarks for unit in UNITS)
    )
    for scale in options.scales:
        table.add_section()
        for route in routes_to(scale, options.model):
            measured = [measure_route(route, images, scale) for images in benchmarks.values()]
            cells = [
                cell
                for scores in measured
                for cell in (
                    f"{scores.psnr:.2f}",
                    f"{100 * scores.round_trip_share:.1f}",
                    f"{scores.seconds:.2f}",
                )
            ]
            table.add_row(f"to x{scale}: {route.name}", *cells)
    make_console().print(table)
    return 0


@dataclass(frozen=True)
class Route:
    """A way to enlarge to a size.

    Attributes:
      name: for the table.
      models: the models that enlarge.
      stages: scales, one after the other; a result that is too large is shrunk by bicubic.
    """

    name: str
    models: ModelFamily
    stages: tuple[int, ...]


@dataclass(frozen=True)
class RouteScores:
    """Quality and time of a route on a set of images.

    Attributes:
      psnr: mean over the images, of 8-bit luma with the scale shaved off, in dB.
      round_trip_share: share of the values of the input that the result, shrunk by bicubic, equals.
      seconds: for one megapixel of input, compilation left out.
    """

    psnr: float
    round_trip_share: float
    seconds: float


def routes_to(scale: int, model: str) -> list[Route]:
    """Returns bicubic, and the routes of a model to a scale: direct, and by others."""
    bicubic = find_models("bicubic")
    network = find_models(model)
    routes = [Route("bicubic", bicubic, (scale,))]
    if scale in network.scales:
        routes.append(Route(f"x{scale}", network, (scale,)))
    routes += [Route(f"x{r}, shrunk", network, (r,)) for r in network.scales if r > scale]
    for first in network.scales:
        for second in network.scales:
            if first * second == scale:
                routes.append(Route(f"x{first}, then x{second}", network, (first, second)))
    return routes


def measure_route(route: Route, images: Sequence[Pair], scale: int) -> RouteScores:
    """Shrinks images by MATLAB's bicubic, enlarges them again and compares."""
    scores, round_trips, seconds, pixels = [], [], 0.0, 0
    for image in images:
        hr = modcrop(image.hr.load(), scale)
        lr = imresize(hr, 1 / scale)
        # The first call compiles.
        _enlarge(route, lr, hr.shape[:2])
        began = time.perf_counter()
        result = _enlarge(route, lr, hr.shape[:2])
        seconds += time.perf_counter() - began
        pixels += lr.shape[0] * lr.shape[1]
        scores.append(float(psnr(rgb_to_luma(result), rgb_to_luma(hr), shave=scale)))
        round_trips.append(float((imresize(result, 1 / scale) == lr).mean()))
    return RouteScores(float(np.mean(scores)), float(np.mean(round_trips)), seconds / pixels * 1e6)


def _enlarge(route: Route, lr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width, channels = lr.shape
    image = Strips(height, width, channels, iter([lr / np.float32(255)]))
    for scale in route.stages:
        image = enlarge(image, route.models.of_scale(scale))
    values = np.concatenate(list(resize(image, *size).rows))
    return (values.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def main() -> int:
    return run(parse_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    run_command(main)
