"""Downloads named sets and unpacks them into the data root, completely or not at all."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import ARCHIVES, Archive, NamedSet
from subpixel.sr.datasets.archives import ArchiveError, extract
from subpixel.sr.datasets.download import ByteProgress, fetch

# Hidden, so that no folder in it counts as a set.
WORKSHOP = ".download"


def choose_archives(
    entries: Iterable[NamedSet],
    present: Mapping[str, Path],
    kinds: Iterable[str],
    scales: Iterable[int],
) -> list[Archive]:
    """Returns what to download for sets, each archive once.

    Args:
      entries: the sets.
      present: the folders of the sets that are present, relative to the data root, by name.
      kinds: of LR images to download as well: "bicubic", "unknown".
      scales: of these LR images.

    Raises:
      InputError: if one of the sets cannot be downloaded, or has no such LR images.
    """
    endings = tuple(f"_LR_{kind}_X{scale}.zip" for kind in kinds for scale in scales)
    chosen: dict[str, Archive] = {}
    for entry in entries:
        folder = present.get(entry.name)
        if not entry.archives and folder is None:
            raise InputError(
                f"{entry.name} cannot be downloaded by a command, since {entry.by_hand}: "
                f"{entry.homepage}"
            )
        if folder is None:
            chosen |= {name: ARCHIVES[name] for name in entry.archives}
        lower = [name for name in entry.lower if name.endswith(endings)] if endings else []
        if len(lower) < len(endings):
            raise InputError(
                f"{entry.name} is published without these LR images: leave out --lower, and "
                "MATLAB's bicubic makes them"
            )
        for name in lower:
            archive = ARCHIVES[name]
            if folder is not None:
                # LR images are searched beside their originals, wherever those lie.
                places = {inside: str(folder.parent / inside) for inside in archive.places}
                archive = replace(archive, places=places)
            chosen[name] = archive
    return list(chosen.values())


def install(
    archive: Archive,
    root: Path,
    *,
    keep: bool = False,
    progress: Callable[[str], ByteProgress] = lambda file: lambda done, total: None,
) -> list[Path]:
    """Downloads an archive and moves its contents into the data root.

    A folder that is there already is left alone; nothing is downloaded if all of them are.

    Args:
      archive: what to download.
      root: where data sets lie.
      keep: whether to keep the archive.
      progress: returns the function that receives the progress of a file, by its name.

    Returns:
      The new folders.

    Raises:
      DownloadError, ArchiveError: as `fetch` and `extract`.
    """
    places = {
        inside: place for inside, place in archive.places.items() if not (root / place).exists()
    }
    if not places:
        return []
    workshop = root / WORKSHOP
    try:
        return _install(archive, root, places, keep, progress(archive.file))
    finally:
        if workshop.is_dir() and not any(workshop.iterdir()):
            workshop.rmdir()


def _install(
    archive: Archive, root: Path, places: dict[str, str], keep: bool, progress: ByteProgress
) -> list[Path]:
    workshop = root / WORKSHOP
    file = fetch(archive, workshop, progress=progress)
    unpacked = workshop / f"{archive.file}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        try:
            extract(file, unpacked, places)
        except ArchiveError:
            file.unlink()
            raise
        for place in places.values():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / place).rename(root / place)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    if not keep:
        file.unlink()
    return [root / place for place in places.values()]
