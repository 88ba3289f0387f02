"""Extracts images from a zip or tar file that may be malicious.

`tarfile`'s filter "data" checks names and links of a tar file. Here one bad member makes the whole
archive an error, the size of the extracted data is limited, and only images are written.
"""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from subpixel.sr._support.files import errors_name
from subpixel.sr.data.images import SUFFIXES

# The archives hold PNG, JPEG and MAT files, compressed already, which hardly grow. The largest,
# Flickr2K with its LR images, has some 19,000 files.
MAX_GROWTH = 20
MAX_MEMBERS = 100_000
CHUNK = 1 << 20


class ArchiveError(OSError):
    """An archive is damaged or malicious; the message names the archive and the reason."""


@dataclass(frozen=True)
class _Member:
    """A file of an archive: its name and size, and a function that opens it."""

    name: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def extract(archive: Path, target: Path, places: Mapping[str, str]) -> None:
    """Writes the images of some folders of an archive.

    Args:
      archive: a .zip, .tar, .tar.gz or .tgz file.
      target: a new folder to write under; on an error, what was written is left there.
      places: from a folder in the archive to one under `target`; "" takes every image.

    Raises:
      ArchiveError: if it is damaged, is too large for its size, has a member that is a link or a
        device, or whose name leads elsewhere, or if one of the folders has no images, or one twice.
      OSError: if it cannot be written, as on a full disk.
    """
    empty = dict.fromkeys(places)
    with _members(archive, target) as members:
        budget = MAX_GROWTH * archive.stat().st_size + CHUNK
        if sum(member.size for member in members) > budget:
            raise _malicious(archive, f"it would grow to more than {MAX_GROWTH} times its size")
        for member in members:
            inside = "" if "" in places else str(member.name.parent)
            if inside not in places or not _is_image(member.name):
                continue
            path = target / places[inside] / member.name.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise ArchiveError(f"{archive} is not as expected: it has {path.name} twice")
            with errors_name(path), path.open("xb") as file, member.open() as content:
                shutil.copyfileobj(content, file, CHUNK)
            empty.pop(inside, None)
    for inside in empty:
        raise ArchiveError(
            f"{archive} is not as expected: it has no images in {inside or 'any folder'}"
        )


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in SUFFIXES and not hidden


@contextmanager
def _members(archive: Path, target: Path) -> Iterator[list[_Member]]:
    """Opens an archive of either kind and yields its plain files; all members are checked."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield _zip_members(archive, opened)
        else:
            with tarfile.open(archive) as opened:
                members = _tar_members(archive, opened, target)
                # gzip's checksum follows the last member.
                while opened.fileobj is not None and opened.fileobj.read(CHUNK):
                    pass
                yield members
    except gzip.BadGzipFile as error:
        raise ArchiveError(f"{archive} is damaged: {error}") from error
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
    ) as error:
        raise ArchiveError(f"{archive} is damaged, or is no zip or tar file: {error}") from error


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> list[_Member]:
    members = []
    _check_count(archive, len(opened.infolist()))
    for info in opened.infolist():
        name = _check_name(archive, info.orig_filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _malicious(archive, f"{name} is a link or a device")
        if info.flag_bits & 1:
            raise ArchiveError(f"{archive} is not as expected: {name} is encrypted")
        if not info.is_dir():
            # zipfile never reads more of a member than its declared size.
            members.append(_Member(name, info.file_size, lambda info=info: opened.open(info)))
    return members


def _tar_members(archive: Path, opened: tarfile.TarFile, target: Path) -> list[_Member]:
    members = []
    for count, info in enumerate(opened, start=1):
        _check_count(archive, count)
        name = _check_name(archive, info.name)
        try:
            tarfile.data_filter(info, str(target))
        except tarfile.FilterError as error:
            raise _malicious(archive, f"{name} is a link or a device: {error}") from error
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise _malicious(archive, f"{name} is a link or a device")
        members.append(_Member(name, info.size, lambda info=info: _open(opened, info)))
    return members


def _open(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return content


def _check_count(archive: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise _malicious(archive, f"it has more than {MAX_MEMBERS} members")


def _check_name(archive: Path, text: str) -> PurePosixPath:
    name = PurePosixPath(text)
    if name.is_absolute() or ".." in name.parts or set(text) & set("\\:\0"):
        raise _malicious(archive, f"the name {text!r} leads out of its folder")
    return name


def _malicious(archive: Path, why: str) -> ArchiveError:
    return ArchiveError(f"{archive} is refused whole, and nothing of it was kept: {why}")
