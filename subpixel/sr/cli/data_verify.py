"""The command `data verify`."""

from dataclasses import dataclass
from pathlib import Path

from subpixel.sr.cli._run import Name
from subpixel.sr.data.catalogue import FOLDER, find_sets
from subpixel.sr.data.pairs import data_root
from subpixel.sr.datasets.verify import require_root, verify


@dataclass(frozen=True)
class Options:
    """Reads every image of a set, or of all its splits, and compares it with the known digests."""

    name: Name = ""
    """A set as `python -m subpixel data` lists it, such as Set5, BSDS500/train or BSDS500; or
    folder:PATH."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def run(options: Options) -> int:
    """Prints the findings with names; the exit code is 1 if the set is not as expected."""
    entries = find_sets(options.name)
    own = options.name.startswith(FOLDER)
    root = data_root(options.data_root) or Path() if own else require_root(options.data_root)
    return verify(entries, root)
