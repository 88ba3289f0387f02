"""The command `data prepare`."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from subpixel.sr._support.console import progress_bars
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import SETS
from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.data.pairs import data_root, describe_lr, find_pairs
from subpixel.sr.data.preparation import prepare


@dataclass(frozen=True)
class Options:
    """Decodes sets once into the cache, from which a run starts in seconds.

    A run does the same at its first start. Name all sets of its `data.train` in the same order,
    with its `data.exclude`, scale, channels and degradation.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Sets, folders, or tfds:NAME, as in a config."""
    exclude: tuple[str, ...] = ()
    """Names of images that are left out."""
    scale: int = 3
    """How many times larger the HR image is than the LR image."""
    channels: Literal[1, 3] = 1
    """1: luma. 3: RGB."""
    degradation: Degradation = BICUBIC
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""

    def __post_init__(self):
        if self.scale < 2:
            raise InputError(f"scale must be a whole number of at least 2; got {self.scale}")


def run(options: Options) -> int:
    """Makes a cache, or finds it, and prints its size and the time."""
    if not options.names:
        raise InputError(f"name a set or a folder: {', '.join(SETS)}")
    root = data_root(options.data_root)
    start = time.perf_counter()
    pairs = [
        pair
        for name in options.names
        for pair in find_pairs(name, root, options.scale, options.degradation)
        if pair.name not in options.exclude
    ]
    with progress_bars() as bars:
        bar = bars.add_task("decoding", total=None)
        cached = prepare(
            pairs,
            options.scale,
            options.channels,
            options.degradation,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
            small=0,
        )
        made = bars.tasks[bar].total is not None
    if cached.folder is None:
        raise InputError(
            f"{' '.join(options.names)} does not lie on disk: there is nothing to keep"
        )
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in cached.folder.iterdir())
    kind = "luma" if options.channels == 1 else "RGB"
    lr = describe_lr(pairs, options.degradation)
    print(f"{len(pairs)} images, x{options.scale}, {kind}, LR images {lr}")
    print(f"{'made' if made else 'already there'} in {seconds:.1f} s, {size / 1e6:,.0f} MB on disk")
    print(cached.folder)
    return 0
