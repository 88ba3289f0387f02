"""Downloads named sets and unpacks them into the data root, completely or not at all."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import ARCHIVES, Archive, NamedSet
from subpixel.sr.data.images import SUFFIXES
from subpixel.sr.datasets.download import ByteProgress, DownloadError, extract, fetch

# Hidden, so that no folder in it counts as a set.
WORKSHOP = ".download"


def choose_archives(
    entries: Iterable[NamedSet],
    present: Mapping[str, Path],
    kinds: Iterable[str],
    scales: Iterable[int],
) -> list[Archive]:
    """Returns what to download for sets, each archive once.

    `present` has the folders of sets by name, relative to the data root; LR images of some kinds
    and scales are downloaded as well.

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
        lower = [name for name in entry.lower if endings and name.endswith(endings)]
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
    """Downloads an archive and moves its images into the data root.

    A folder that is there already is left alone; nothing is downloaded if all of them are.

    `progress` returns the function that receives the progress of a file, by its name.

    Returns:
      The new folders.

    Raises:
      DownloadError: as `fetch` and `extract`, or if a folder has no images in the archive, or two
        of one name.
    """
    new = {inside: root / place for inside, place in archive.places.items()}
    new = {inside: folder for inside, folder in new.items() if not folder.exists()}
    if not new:
        return []
    workshop = root / WORKSHOP
    unpacked = workshop / f"{archive.file}.unpacked"
    content, ready = unpacked / "content", unpacked / "ready"
    try:
        file = fetch(archive, workshop, progress=progress(archive.file))
        shutil.rmtree(unpacked, ignore_errors=True)  # the remains of a killed process
        try:
            extract(file, content)
            for number, inside in enumerate(new):
                _take_images(content / inside, inside == "", ready / str(number), archive)
        except DownloadError:
            file.unlink()
            raise
        for number, folder in enumerate(new.values()):
            folder.parent.mkdir(parents=True, exist_ok=True)
            (ready / str(number)).rename(folder)
        if not keep:
            file.unlink()
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
        if workshop.is_dir() and not any(workshop.iterdir()):
            workshop.rmdir()
    return list(new.values())


def _take_images(source: Path, below: bool, target: Path, archive: Archive) -> None:
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*") if below else source.glob("*")):
        parts = path.relative_to(source).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        plain = path.is_file() and not path.is_symlink()
        if hidden or not plain or path.suffix.lower() not in SUFFIXES:
            continue
        if (target / path.name).exists():
            raise DownloadError(f"{archive.file} is not as expected: it has {path.name} twice")
        path.rename(target / path.name)
    if not any(target.iterdir()):
        where = source.name if not below else "any folder"
        raise DownloadError(f"{archive.file} is not as expected: it has no images in {where}")
