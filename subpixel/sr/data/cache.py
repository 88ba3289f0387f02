"""Cache of decoded images on disk: the second start of a run takes seconds.

A cache is a folder of two files. `pixels` contains the arrays of all pairs, each LR image before
its original, and is mapped into memory. `index.json` contains the offset of each pair, its checksum
and fingerprint, and the size, times and digest of its source files.

Settings and the paths of the images identify a cache; the contents of the files decide whether it
is valid. A file with unchanged size and times counts as unchanged (no tool can set back the time of
change). Any other file is read, and if its digest differs, the cache is made again. Reading all
files at every start would take seconds per gigabyte. For the same reason the checksum of a
pair is verified when the pair is first used.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, BinaryIO

import cattrs
import numpy as np
import PIL
from jaxtyping import UInt8

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.leak import Fingerprint
from subpixel.sr.data.pairs import Pair
from subpixel.sr.data.patches import PixelPair

VERSION = 2
PIXELS, INDEX = "pixels", "index.json"


@dataclass(frozen=True)
class CachedFile:
    """A source file of a pair.

    Attributes:
      path: its path.
      stamp: its size, and the times of its last modification and change in nanoseconds.
      digest: SHA-256 of its content.
    """

    path: str
    stamp: tuple[int, int, int]
    digest: str


@dataclass(frozen=True)
class Entry:
    """The position of a pair in the file of pixels, and its sources.

    Attributes:
      name: of the image, for messages.
      sources: the files from which it was made.
      fingerprint: of the original.
      lr: height, width and channels of the LR image.
      hr: the same of the original.
      offset: its first byte.
      checksum: CRC-32 of its bytes.
    """

    name: str
    sources: tuple[CachedFile, ...]
    fingerprint: Fingerprint
    lr: tuple[int, int, int]
    hr: tuple[int, int, int]
    offset: int
    checksum: int

    @cached_property
    def middle(self) -> int:
        """Where the high resolution begins."""
        return self.offset + int(np.prod(self.lr))

    @cached_property
    def end(self) -> int:
        """Where the next pair begins."""
        return self.middle + int(np.prod(self.hr))


class PixelPairs(Sequence[PixelPair]):
    """Pairs of low and high resolution, uint8 (h, w, c) and (r*h, r*w, c), for patches."""

    def __init__(
        self,
        pixels: UInt8[np.ndarray, " bytes"],
        entries: Sequence[Entry],
        folder: Path | None = None,
    ):
        """Takes the bytes of pairs, from memory or mapped from the cache `folder`."""
        # A plain view, since slicing a memmap takes longer than cutting a patch.
        self.pixels = pixels.view(np.ndarray)
        self.entries = entries
        self.folder = folder
        self._unchecked = np.full(len(entries), folder is not None)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index) -> Any:
        entry = self.entries[index]
        if self._unchecked[index]:
            if zlib.crc32(self.pixels[entry.offset : entry.end].data) != entry.checksum:
                raise InputError(
                    f"the cache {self.folder} is damaged where it holds {entry.name}: delete that "
                    "folder, and the same command makes it again"
                )
            self._unchecked[index] = False
        return (
            self.pixels[entry.offset : entry.middle].reshape(entry.lr),
            self.pixels[entry.middle : entry.end].reshape(entry.hr),
        )

    @property
    def lr_shapes(self) -> list[tuple[int, int, int]]:
        """Height, width and channels of each LR image; no pixels are read."""
        return [entry.lr for entry in self.entries]

    @property
    def fingerprints(self) -> list[Fingerprint]:
        """The fingerprint of each original."""
        return [entry.fingerprint for entry in self.entries]

    def select(self, indices: Iterable[int]) -> "PixelPairs":
        """Returns some of the pairs, as views of the same bytes."""
        return PixelPairs(self.pixels, [self.entries[index] for index in indices], self.folder)


def write_pairs(
    file: BinaryIO, images: Iterable[Pair], decoded: Iterable[tuple[PixelPair, Fingerprint]]
) -> list[Entry]:
    """Writes pairs one after another, and returns the entry of each."""
    entries: list[Entry] = []
    # One file can contain many images.
    read = cache(_read_source)
    for image, (pair, fingerprint) in zip(images, decoded, strict=True):
        lr, hr = pair
        content = lr.tobytes() + hr.tobytes()
        file.write(content)
        entries.append(
            Entry(
                name=image.hr.source,
                sources=tuple(map(read, image.files)),
                fingerprint=fingerprint,
                lr=lr.shape,
                hr=hr.shape,
                offset=entries[-1].end if entries else 0,
                checksum=zlib.crc32(content),
            )
        )
    file.flush()
    return entries


@contextmanager
def new_cache(folder: Path) -> Iterator[Path]:
    """Yields a new folder to fill, which replaces `folder` at the end if there was no error.

    The remains of a killed process are removed first; the caller holds the lock.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def cache_name(images: Sequence[Pair], settings: dict[str, Any]) -> str:
    """Returns the name of the folder for images and settings."""
    places = [
        [
            p.hr.source,
            *(str(path.absolute()) for path in p.files),
            *([p.hr.shrink] * (p.hr.shrink != 1)),
        ]
        for p in images
    ]
    identity = {"version": VERSION, "pillow": PIL.__version__, "images": places, **settings}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]


def open_cache(folder: Path) -> PixelPairs | None:
    """Opens a cache; returns None if it is incomplete or its source files have changed."""
    entries = _read_index(folder)
    if entries is None:
        return None
    refresh = cache(_refresh)
    current = [replace(entry, sources=tuple(map(refresh, entry.sources))) for entry in entries]
    if not all(_same_contents(*pair) for pair in zip(entries, current, strict=True)):
        return None
    if current != entries:
        # This only saves reading the files at the next start; a read-only cache allows no writing.
        with suppress(OSError):
            write_index(folder, current)
    return PixelPairs(np.memmap(folder / PIXELS, np.uint8, "r"), entries, folder)


def write_index(folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the index of a cache, completely or not at all."""
    values = [asdict(entry) for entry in entries]
    part = folder / f"{INDEX}.{os.getpid()}"
    try:
        part.write_text(json.dumps({"digest": _digest(values), "entries": values}))
        part.replace(folder / INDEX)
    finally:
        part.unlink(missing_ok=True)


def _read_index(folder: Path) -> list[Entry] | None:
    """Returns the entries of an index, or None if it is missing or a file is incomplete."""
    try:
        index = json.loads((folder / INDEX).read_text())
        if index["digest"] != _digest(index["entries"]):
            return None
        entries = cattrs.structure(index["entries"], list[Entry])
        return entries if (folder / PIXELS).stat().st_size == entries[-1].end else None
    except (OSError, ValueError, LookupError, TypeError, cattrs.BaseValidationError):
        return None


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _same_contents(one: Entry, other: Entry) -> bool:
    return [s.digest for s in one.sources] == [s.digest for s in other.sources]


def _refresh(source: CachedFile) -> CachedFile:
    """Returns the present state of a file; it is read only if its stamp has changed."""
    path = Path(source.path)
    return source if _stamp(path) == source.stamp else _read_source(path)


def _read_source(path: Path) -> CachedFile:
    status = _stamp(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return CachedFile(str(path.absolute()), status, digest)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
