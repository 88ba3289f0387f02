"""The command `models`."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.models.released import (
    RELEASED,
    Release,
    read_release,
    released_names,
    split_name,
)
from subpixel.sr.photo.engine import DEFAULT_MODEL


@dataclass(frozen=True)
class Options:
    """Lists the released models with their parameters and scores."""


def run(_: Options) -> int:
    """Prints a table of the released models."""
    releases = [read_release(name) for name in released_names()]
    if not releases:
        raise InputError("this installation has no released models: install the package again")
    benchmarks = dict.fromkeys(name for release in releases for name in release.scores)
    title = "released models, PSNR in dB / SSIM of luma"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "parameters", *benchmarks):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "name" else "right")
    for release in releases:
        scores = [release.scores.get(benchmark) for benchmark in benchmarks]
        cells = [
            "" if score is None else f"{score.psnr:.2f} / {score.ssim:.4f}" for score in scores
        ]
        table.add_row(release.name, f"{release.parameters:,}", *cells)
    console = make_console()
    console.print(table)
    console.print(_advice(releases), soft_wrap=True, highlight=False)
    protocols = ", ".join(dict.fromkeys(release.protocol["name"] for release in releases))
    console.print(f"protocol: {protocols} (docs/evaluate.md)", soft_wrap=True, highlight=False)
    console.print(f"model cards: {RELEASED}", soft_wrap=True, highlight=False)
    return 0


def _advice(releases: Sequence[Release]) -> str:
    """Returns a line that says which model has the best scores, and which is the default."""
    means: dict[str, list[float]] = {}
    for release in releases:
        scores = [score.psnr for score in release.scores.values()]
        means.setdefault(split_name(release.name)[0], []).append(fmean(scores))
    best = max(means, key=lambda family: fmean(means[family]))
    return (
        f"which to take: {best} has the highest PSNR (upscale --model={best}); {DEFAULT_MODEL}, "
        "the default of upscale, is the fastest (docs/export.md)"
    )
