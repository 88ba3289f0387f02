"""Extracts images from a zip or tar file that may be malicious.

`tarfile`'s filter "data" and `zipfile` check names and links, but neither limits the size of the
extracted data, and `zipfile` drops ".." silently. Here one bad member makes the whole archive an
error, and only images are written.
"""

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from subpixel.sr._support.files import naming
from subpixel.sr.data.images import SUFFIXES

# The archives hold PNG, JPEG and MAT files, compressed already, which hardly grow. The largest,
# Flickr2K with its LR images, has some 19,000 files.
MOST_GROWTH = 20
MOST_MEMBERS = 100_000
CHUNK = 1 << 20


class ArchiveError(OSError):
    """An archive is damaged or malicious; the message names the archive and the reason."""


class Content:
    """The content of a member of an archive."""

    def __init__(self, content: IO[bytes], archive: Path):
        self._content, self._archive = content, archive

    def read(self, size: int = -1) -> bytes:
        """Reads `size` bytes at most; raises ArchiveError if the archive is damaged there."""
        with _damage_named(self._archive):
            return self._content.read(size)


def extract(archive: Path, target: Path, places: Mapping[str, str]) -> None:
    """Writes the images of some folders of an archive.

    Args:
      archive: a .zip, .tar, .tar.gz or .tgz file.
      target: a new folder to write under; on an error, what was written is left there.
      places: from a folder in the archive to one under `target`; "" takes every image.

    Raises:
      ArchiveError: as `walk`, or if one of the folders has no images, or one twice.
      OSError: if it cannot be written, as on a full disk.
    """
    empty = dict.fromkeys(places)
    for inside, name, content in walk(archive, places):
        path = target / places[inside] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise ArchiveError(f"{archive} is not as expected: it has {name} twice")
        with naming(path), path.open("xb") as file:
            while chunk := content.read(CHUNK):
                file.write(chunk)
        empty.pop(inside, None)
    for inside in empty:
        raise ArchiveError(
            f"{archive} is not as expected: it has no images in {inside or 'any folder'}"
        )


def walk(archive: Path, folders: Container[str]) -> Iterator[tuple[str, str, Content]]:
    """Reads the images of some folders of an archive, in its order.

    Args:
      archive: a .zip, .tar, .tar.gz or .tgz file.
      folders: in the archive; "" takes every image of the archive.

    Yields:
      The folder, as it was given; the image's name without folder; its content.

    Raises:
      ArchiveError: if it is damaged, is too large for its size, or has a member that is a link or a
        device, or whose name leads elsewhere.
    """
    budget = MOST_GROWTH * archive.stat().st_size + CHUNK
    with _members(archive, budget) as members:
        for name, content in members:
            folder = "" if "" in folders else str(name.parent)
            if folder in folders and name.suffix.lower() in SUFFIXES and not _hidden(name):
                yield folder, name.name, Content(content, archive)


def _hidden(name: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.parts)


@contextmanager
def _damage_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
    ) as error:
        raise ArchiveError(f"{archive} is damaged, or is no zip or tar file: {error}") from error
    except gzip.BadGzipFile as error:
        raise ArchiveError(f"{archive} is damaged: {error}") from error


@contextmanager
def _members(archive: Path, budget: int) -> Iterator[Iterator[tuple[PurePosixPath, IO[bytes]]]]:
    """Opens an archive of either kind and yields its plain files; all members are checked."""
    with _damage_named(archive), ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            yield _zip_members(archive, stack.enter_context(zipfile.ZipFile(archive)), budget)
            return
        raw = stack.enter_context(archive.open("rb"))
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        bounded = _Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, budget, archive)
        yield _tar_members(archive, stack.enter_context(tarfile.open(fileobj=bounded, mode="r|")))
        # gzip's checksum follows the last member.
        while bounded.read(CHUNK):
            pass


def _zip_members(
    archive: Path, opened: zipfile.ZipFile, budget: int
) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    infos = opened.infolist()
    _check_count(archive, len(infos))
    # zipfile never reads more of a member than its declared size.
    if sum(info.file_size for info in infos) > budget:
        raise _bomb(archive)
    for info in infos:
        name = _check_name(archive, info.orig_filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _malicious(archive, f"{name} is a link or a device")
        if info.flag_bits & 1:
            raise ArchiveError(f"{archive} is not as expected: {name} is encrypted")
    for info in infos:
        if not info.is_dir():
            with opened.open(info) as content:
                yield PurePosixPath(info.filename), content


def _tar_members(
    archive: Path, opened: tarfile.TarFile
) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    for count, info in enumerate(opened, start=1):
        _check_count(archive, count)
        name = _check_name(archive, info.name)
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise _malicious(archive, f"{name} is a link or a device")
        content = opened.extractfile(info)
        if content is not None:
            yield name, content


def _check_count(archive: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise _malicious(archive, f"it has more than {MOST_MEMBERS} members")


def _check_name(archive: Path, text: str) -> PurePosixPath:
    name = PurePosixPath(text)
    if name.is_absolute() or ".." in name.parts or set(text) & set("\\:\0"):
        raise _malicious(archive, f"the name {text!r} leads out of its folder")
    return name


def _bomb(archive: Path) -> ArchiveError:
    return _malicious(archive, f"it would grow to more than {MOST_GROWTH} times its size")


def _malicious(archive: Path, why: str) -> ArchiveError:
    return ArchiveError(f"{archive} is refused whole, and nothing of it was kept: {why}")


class _Bounded(io.RawIOBase):
    """A stream with a limit of bytes, which counts headers and skipped bytes too."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, budget: int, archive: Path):
        self._stream, self._left, self._archive = stream, budget, archive

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        content = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise _bomb(self._archive)
        return content
