"""`python -m subpixel data`: which sets are there, and whether they are what they should be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import DownloadColumn, Progress

from subpixel.data.catalogue import FOLDER, SETS, NamedSet, find_sets
from subpixel.data.inspection import Inspection, inspect
from subpixel.data.install import choose_archives, install
from subpixel.data.sources import data_root
from subpixel.errors import InputError

# By default empty: a missing name is explained by `find_sets`, in one line.
Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
SHOWN = 5


@dataclass(frozen=True)
class DataList:
    """Lists the named sets: which are present, complete or damaged, and what to do for the others.

    It looks at names, sizes and the ends of files; `data verify NAME` reads every pixel. The other
    commands are `data download NAME` and `data prepare NAME`.
    """

    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""


@dataclass(frozen=True)
class DataVerify:
    """Reads every picture of a set, or of all its splits, and compares it with what is known."""

    name: Name = ""
    """A set as `python -m subpixel data` lists it, such as Set5, BSDS500/train or BSDS500; or
    folder:PATH."""
    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""


@dataclass(frozen=True)
class DataDownload:
    """Downloads a set, or all its splits, into the data root. The same command goes on.

    What arrives is checked against size and digest, where somebody states them, and unpacked. None
    of the addresses was tried when this was written.
    """

    name: Name = ""
    """A set that may be had without a form, such as DIV2K or BSDS500."""
    lower: tuple[Literal["bicubic", "unknown"], ...] = ()
    """Of DIV2K, low resolution besides; without it, it is made by MATLAB's bicubic."""
    scales: tuple[int, ...] = (2, 3, 4)
    """Of that low resolution."""
    keep_archives: bool = False
    """Keep what was downloaded, in ROOT/.download, once it is unpacked."""
    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""


def list_data(options: DataList) -> int:
    """Prints a line for each set."""
    root = require_root(options.data_root)
    print(f"data root {root}")
    for entry in SETS.values():
        try:
            inspection = inspect(entry, root, read=False)
            state, remark = inspection.state, _remark(inspection, root)
        except InputError as error:
            state, remark = "unclear", str(error)
        print(f"{entry.name:14} {entry.count:5} pictures  {state:13}  {remark}")
    print("folder:PATH         any other folder of pictures; in a config, the path alone does too")
    return 0


def verify_data(options: DataVerify) -> int:
    """Prints what was found of a set, with names; the code is 1 if it is not as expected."""
    entries = find_sets(options.name)
    own = options.name.startswith(FOLDER)
    root = data_root(options.data_root) or Path() if own else require_root(options.data_root)
    return max([report(inspect(entry, root, read=True), root) for entry in entries])


def download_data(options: DataDownload) -> int:
    """Downloads what is absent, and verifies it."""
    root = require_root(options.data_root)
    entries = find_sets(options.name)
    archives = choose_archives(entries, options.lower, options.scales)
    for entry in entries:
        inspection = inspect(entry, root, read=False)
        if inspection.folder is not None and not inspection.complete:
            raise InputError(
                f"{entry.name} in {inspection.folder} is {inspection.state}: move it away, then "
                "give the same command"
            )
    for terms, homepage in dict.fromkeys((entry.terms, entry.homepage) for entry in entries):
        print(f"terms of {options.name}: {terms}; {homepage}")
    with Progress(*Progress.get_default_columns(), DownloadColumn(), transient=True) as bars:

        def follow(file: str) -> Callable[[int, int | None], None]:
            bar = bars.add_task(file, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        for archive in archives:
            if archive.digest is None:
                bars.print(f"{archive.file}: nobody states its digest, so it cannot be checked")
            new = install(archive, root, keep=options.keep_archives, progress=follow)
            for folder in new:
                bars.print(f"{archive.file}: unpacked into {folder}")
            if not new:
                bars.print(f"{archive.file}: its folders are there already")
    return max([report(inspect(entry, root, read=True), root) for entry in entries])


def report(inspection: Inspection, root: Path) -> int:
    """Prints an inspection, with the names of all that is not as expected.

    Returns:
      0 if it is as expected, or complete and nothing is known of its content; otherwise 1.
    """
    entry = inspection.entry
    where = f" in {inspection.folder}" if inspection.folder else ""
    print(f"{entry.name}: {_verdict(inspection)}{where}")
    if inspection.folder is None:
        print(f"  {what_to_do(entry, root)}")
    for title, names in (
        ("missing", inspection.missing),
        ("damaged", inspection.damaged),
        ("other content", inspection.other),
        ("not of this set", inspection.unexpected),
    ):
        for name in names:
            print(f"  {title}: {name}")
    return 0 if inspection.as_expected else 1


def _verdict(inspection: Inspection) -> str:
    entry, state = inspection.entry, inspection.state
    if inspection.folder is None:
        return state
    if state == "complete":
        state = "complete and as expected" if inspection.known else "complete; no digests are known"
    count = f"{inspection.found} of {entry.count}" if entry.count else f"{inspection.found}"
    return f"{state}, {count} pictures"


def _remark(inspection: Inspection, root: Path) -> str:
    if inspection.folder is None:
        return what_to_do(inspection.entry, root)
    place = str(inspection.folder.relative_to(root))
    for title, names in (
        ("missing", inspection.missing),
        ("damaged", inspection.damaged),
        ("differs", inspection.other),
        ("not of this set", inspection.unexpected),
    ):
        if names:
            return f"{place}; {title}: {_short(names)}"
    return place


def _short(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def what_to_do(entry: NamedSet, root: Path) -> str:
    """Returns how to come by a set that is absent."""
    place = root / entry.places[0]
    if not entry.count:
        return f"there is no folder {place}"
    if entry.by_hand:
        return f"{entry.by_hand}: {entry.homepage}; put its pictures into {place}"
    return f"python -m subpixel data download {entry.name}, or put its pictures into {place}"


def require_root(given: Path | None) -> Path:
    """Returns the data root.

    Raises:
      InputError: if none is given.
    """
    root = data_root(given)
    if root is None:
        raise InputError(
            "nothing says where data sets lie: set SUBPIXEL_DATA to a folder, or give --data-root"
        )
    return root
