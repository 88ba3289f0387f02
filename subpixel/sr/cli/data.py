"""The command `data`."""

from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import SETS
from subpixel.sr.datasets.verify import inspect, remark, require_root


@dataclass(frozen=True)
class Options:
    """Lists the named sets: which are present, complete or damaged, and how to get the others.

    It checks names, sizes and the ends of files; `data verify NAME` reads every pixel, and
    `data download NAME` fetches a set.
    """

    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Prints a line for each set."""
    root = require_root(options.data_root)
    print(f"data root {root}")
    for entry in SETS.values():
        try:
            inspection = inspect(entry, root, read=False)
            state, note = inspection.state, remark(inspection, root)
        except InputError as error:
            state, note = "unclear", str(error)
        print(f"{entry.name:14} {entry.count:5} images  {state:13}  {note}")
    print("folder:PATH         any other folder of images; in a config, the path alone does too")
    return 0
