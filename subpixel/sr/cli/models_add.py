"""The command `models add`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from subpixel.kernels import Layout
from subpixel.sr._support.console import make_console
from subpixel.sr.data.pairs import data_root
from subpixel.sr.models.released import released_files
from subpixel.sr.releasing.make import make_release


@dataclass(frozen=True)
class Options:
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
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Adds a released model and prints its scores.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the workdir cannot be released under this name.
    """
    console = make_console()
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
