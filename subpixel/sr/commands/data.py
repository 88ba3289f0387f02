"""`python -m subpixel data`: which sets are there, and whether they are what they should be."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import DownloadColumn, Progress, ProgressColumn

from subpixel.sr.data.catalogue import FOLDER, SETS, NamedSet, find_sets
from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.data.preparation import prepare
from subpixel.sr.data.sources import data_root, find_images
from subpixel.sr.datasets.install import choose_archives, install
from subpixel.sr.datasets.verify import Inspection, inspect, inspect_lr
from subpixel.sr.errors import InputError

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
    """Reads every image of a set, or of all its splits, and compares it with what is known."""

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


@dataclass(frozen=True)
class DataPrepare:
    """Decodes sets once and keeps them in the cache, from which a run then starts in seconds.

    A run does so itself at its first start. Name the sets of its `data.train`, all and in the same
    order, with its `data.exclude`, scale, channels and degradation.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """What a config may name: sets, folders, tfds:NAME."""
    exclude: tuple[str, ...] = ()
    """Images of these, by name, that are left out."""
    scale: int = 3
    """How many times larger the original is than its low resolution."""
    channels: Literal[1, 3] = 1
    """1: luma. 3: RGB."""
    degradation: Degradation = BICUBIC
    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""

    def __post_init__(self):
        if self.scale < 2:
            raise InputError(f"scale must be a whole number of at least 2; got {self.scale}")


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
        print(f"{entry.name:14} {entry.count:5} images  {state:13}  {remark}")
    print("folder:PATH         any other folder of images; in a config, the path alone does too")
    return 0


def verify_data(options: DataVerify) -> int:
    """Prints what was found of a set, with names; the code is 1 if it is not as expected."""
    entries = find_sets(options.name)
    own = options.name.startswith(FOLDER)
    root = data_root(options.data_root) or Path() if own else require_root(options.data_root)
    return _verify(entries, root)


def _verify(entries: Sequence[NamedSet], root: Path) -> int:
    code = 0
    for entry in entries:
        inspection = inspect(entry, root, read=True)
        code = max(code, report(inspection, root))
        for title, problems in inspect_lr(inspection).items():
            print(f"  {title}: {'complete' if not problems else problems[0]}")
            for problem in problems[1:]:
                print(f"  {title}: {problem}")
            code = max(code, int(bool(problems)))
    return code


def download_data(options: DataDownload) -> int:
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
    with _bars(DownloadColumn()) as bars:

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
    return _verify(entries, root)


def prepare_data(options: DataPrepare) -> int:
    """Makes a cache, or finds that it is there, and prints what it takes."""
    if not options.names:
        raise InputError(f"name a set or a folder: {', '.join(SETS)}")
    root = data_root(options.data_root)
    start = time.perf_counter()
    images = [
        image
        for name in options.names
        for image in find_images(name, root, options.scale, options.degradation)
        if image.name not in options.exclude
    ]
    made = False
    with _bars() as bars:
        bar = bars.add_task("decoding", total=None)

        def follow(done: int, total: int) -> None:
            nonlocal made
            made = True
            bars.update(bar, completed=done, total=total)

        pairs = prepare(
            images, options.scale, options.channels, options.degradation, None, follow, small=0
        )
    seconds = time.perf_counter() - start
    if pairs.folder is None:
        raise InputError(
            f"{' '.join(options.names)} does not lie on disk: there is nothing to keep"
        )
    size = sum(path.stat().st_size for path in pairs.folder.iterdir())
    given = sum(image.load_lr is not None for image in images)
    print(
        f"{len(pairs)} images, x{options.scale}, {'luma' if options.channels == 1 else 'RGB'}, "
        f"low resolution {f'of {given} from the set, else ' if given else ''}made by "
        f"{options.degradation.describe()}"
    )
    print(f"{'made' if made else 'already there'} in {seconds:.1f} s, {size / 1e6:,.0f} MB on disk")
    print(pairs.folder)
    return 0


def _bars(*columns: ProgressColumn) -> Progress:
    """Progress bars that leave no trace, and are not drawn where nobody watches."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), *columns)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


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
        ("left out", inspection.left_out),
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
    return f"{state}, {count} images"


def _remark(inspection: Inspection, root: Path) -> str:
    if inspection.folder is None:
        return what_to_do(inspection.entry, root)
    place = str(inspection.folder.relative_to(root))
    for title, names in (
        ("missing", inspection.missing),
        ("damaged", inspection.damaged),
        ("differs", inspection.other),
        ("not of this set", inspection.unexpected),
        ("left out", inspection.left_out),
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
        return f"{entry.by_hand}: {entry.homepage}; put its images into {place}"
    return f"python -m subpixel data download {entry.name}, or put its images into {place}"


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
