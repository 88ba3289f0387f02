"""`python -m subpixel models` and `models add`: their options and their calls."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from subpixel.kernels import Layout
from subpixel.sr.data.sources import data_root
from subpixel.sr.errors import InputError
from subpixel.sr.models.released import RELEASED, read_release, released_files, released_names
from subpixel.sr.releasing.make import make_release


@dataclass(frozen=True)
class ModelsList:
    """Lists the released models with their parameters and scores."""


@dataclass(frozen=True)
class ModelsAdd:
    """For maintainers: adds a finished training to the released models of this checkout.

    The benchmarks of the workdir's config are measured again. Weights, facts and a model card are
    written into subpixel/sr/released.
    """

    workdir: tyro.conf.Positional[Path]
    """Workdir of a finished training."""
    name: str
    """Name of the released model: FAMILY_xSCALE, such as espcn_x3."""
    upsampler: Layout | None = None
    """Which upsampler of the workdir (default: the first of its config)."""
    overwrite: bool = False
    """Replaces a released model of this name."""
    data_root: Path | None = None
    """Where data sets lie (default: the environment variable SUBPIXEL_DATA)."""


def list_models(_: ModelsList) -> int:
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
    console = Console()
    console.print(table)
    protocols = ", ".join(dict.fromkeys(release.protocol["name"] for release in releases))
    console.print(f"protocol: {protocols} (docs/protocol.md)", soft_wrap=True, highlight=False)
    console.print(f"model cards: {RELEASED}", soft_wrap=True, highlight=False)
    return 0


def add_model(options: ModelsAdd) -> int:
    """Adds a released model and prints its scores.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the workdir cannot be released under this name.
    """
    console = Console()
    release = make_release(
        options.workdir,
        options.name,
        data_root(options.data_root),
        console,
        upsampler=options.upsampler,
        overwrite=options.overwrite,
    )
    for benchmark, score in release.scores.items():
        console.print(f"{benchmark}: {score.psnr:.2f} dB / {score.ssim:.4f}", highlight=False)
    for path in released_files(release.name):
        console.print(f"{path}: {path.stat().st_size:,} bytes", highlight=False, soft_wrap=True)
    return 0
