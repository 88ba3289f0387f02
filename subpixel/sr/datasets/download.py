"""Downloads archives by pooch, with size and digest verified."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import requests

from subpixel.sr._support.files import errors_name
from subpixel.sr.data.catalogue import Archive

ATTEMPTS = 5
TIMEOUT_S = 60
CHUNK = 1 << 20


class DownloadError(OSError):
    """A download failed; the message states the reason and the remedy."""


# Called with the number of bytes received, and the number of all bytes or None.
ByteProgress = Callable[[int, int | None], None]


def fetch(
    archive: Archive,
    folder: Path,
    *,
    progress: ByteProgress = lambda done, total: None,
    attempts: int = ATTEMPTS,
) -> Path:
    """Downloads an archive and checks its size and digest.

    A download that breaks off starts anew; nothing incomplete is left.

    Args:
      archive: what to fetch.
      folder: for the file; it is created if it is missing.
      progress: called after each chunk.
      attempts: how often a connection that breaks off, or a busy server, is tried.

    Returns:
      The file.

    Raises:
      DownloadError: if the address does not answer or gives another file than expected.
      OSError: if it cannot be written, as on a full disk.
    """
    pooch.get_logger().setLevel("WARNING")
    registry = pooch.create(
        folder,
        base_url="",
        registry={archive.file: archive.digest},
        urls={archive.file: archive.url},
        retry_if_failed=attempts - 1,
    )

    def download(url: str, output_file: Any, mirror: Any) -> None:
        bar: Any = _Bar(archive, folder, progress)
        # Otherwise requests unpacks what a server sends as gzip, and the digest differs.
        headers = {"Accept-Encoding": "identity"}
        http = pooch.HTTPDownloader(bar, CHUNK, timeout=TIMEOUT_S, headers=headers)
        try:
            http(url, output_file, mirror)
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 500
            if code >= 500 or code in (408, 429):
                raise
            raise DownloadError(
                f"{error}: it is no longer the right address, or wants a login"
            ) from error
        _check(archive, Path(output_file))

    downloader: Any = download
    try:
        with errors_name(folder / archive.file):
            return Path(registry.fetch(archive.file, downloader=downloader))
    except requests.RequestException as error:
        raise DownloadError(
            f"{archive.url} cannot be reached or broke off, {attempts} times: {error}. The same "
            "command starts anew"
        ) from error


class _Bar:
    """The progress bar that pooch fills; its total is known before the first byte is written."""

    def __init__(self, archive: Archive, folder: Path, progress: ByteProgress):
        self._archive, self._folder, self._progress = archive, folder, progress
        self._done, self._total = 0, 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        if total and self._archive.size not in (None, total):
            raise _other_size(self._archive, total)
        free = shutil.disk_usage(self._folder).free
        if total > free:
            raise OSError(
                errno.ENOSPC,
                f"{total / 1e6:,.0f} MB are still to come, and {free / 1e6:,.0f} MB are free",
                str(self._folder),
            )

    def update(self, count: int) -> None:
        done = self._done + count
        self._done = min(done, self._total) if self._total else done
        self._progress(self._done, self._total or None)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Does nothing: the caller's bar stays."""


def _check(archive: Archive, file: Path) -> None:
    """Checks size and digest here, since pooch would download another file again and again."""
    size = file.stat().st_size
    if archive.size not in (None, size):
        raise _other_size(archive, size)
    if archive.digest is None:
        return
    algorithm, _, expected = archive.digest.partition(":")
    found = pooch.file_hash(str(file), algorithm)
    if found != expected:
        raise DownloadError(
            f"{archive.url} gave another content than expected ({algorithm} {found} instead of "
            f"{expected}), and it was deleted: try again, or look at the set's page"
        )


def _other_size(archive: Archive, size: int) -> DownloadError:
    return DownloadError(
        f"{archive.url} has {size} bytes instead of {archive.size}: another file is there now"
    )
