"""The command `data download`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.progress import DownloadColumn

from subpixel.sr._support.console import progress_bars
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import Name
from subpixel.sr.data.catalogue import find_sets
from subpixel.sr.datasets.install import choose_archives, install
from subpixel.sr.datasets.verify import inspect, require_root, verify


@dataclass(frozen=True)
class Options:
    """Downloads a set, or all its splits, into the data root. The same command resumes.

    Archives are checked against their published digest, where there is one, and unpacked. No test
    of this project downloads from the addresses.
    """

    name: Name = ""
    """A set that can be downloaded without a form, such as DIV2K or BSDS500."""
    lower: tuple[Literal["bicubic", "unknown"], ...] = ()
    """LR images of DIV2K to download as well (default: MATLAB's bicubic makes them)."""
    scales: tuple[int, ...] = (2, 3, 4)
    """Scales of these LR images."""
    keep_archives: bool = False
    """Keeps the archives in ROOT/.download after they are unpacked."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Downloads what is absent, and verifies it."""
    root = require_root(options.data_root)
    entries = find_sets(options.name)
    present = {}
    for entry in entries:
        inspection = inspect(entry, root, read=False)
        if inspection.folder is None:
            continue
        if not inspection.complete:
            raise InputError(
                f"{entry.name} in {inspection.folder} is {inspection.state}: move it away, then "
                "give the same command"
            )
        present[entry.name] = inspection.folder.relative_to(root)
        print(f"{entry.name}: there already, in {inspection.folder}")
    archives = choose_archives(entries, present, options.lower, options.scales)
    for terms, homepage in dict.fromkeys((entry.terms, entry.homepage) for entry in entries):
        print(f"terms of {options.name}: {terms}; {homepage}")
    with progress_bars(DownloadColumn()) as bars:

        def follow(file: str) -> Callable[[int, int | None], None]:
            bar = bars.add_task(file, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        for archive in archives:
            if archive.digest is None:
                print(f"{archive.file}: nobody states its digest, so it cannot be checked")
            new = install(archive, root, keep=options.keep_archives, progress=follow)
            for folder in new:
                print(f"{archive.file}: unpacked into {folder}")
            if not new:
                print(f"{archive.file}: its folders are there already")
    return verify(entries, root)
