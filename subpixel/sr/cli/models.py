"""The command `models`."""

from dataclasses import dataclass

from rich.table import Table

from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.models.released import RELEASED, read_release, released_names


@dataclass(frozen=True)
class Options:
    """Lists the released models with their parameters and scores."""


def run(_: Options) -> int:
    """Prints a table of the released models.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if there is none, or a file of one is damaged.
    """
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
    protocols = ", ".join(dict.fromkeys(release.protocol["name"] for release in releases))
    console.print(f"protocol: {protocols} (docs/protocol.md)", soft_wrap=True, highlight=False)
    console.print(f"model cards: {RELEASED}", soft_wrap=True, highlight=False)
    return 0
