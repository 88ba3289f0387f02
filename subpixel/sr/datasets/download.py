"""Downloads archives by pooch, with their digest verified, and extracts them."""

import gzip
import tarfile
import zipfile
import zlib
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
    """A download failed, or gave a damaged archive; the message states the reason."""


# Called with the number of bytes received, and the number of all bytes or None.
ByteProgress = Callable[[int, int | None], None]


def fetch(
    archive: Archive,
    folder: Path,
    *,
    progress: ByteProgress = lambda done, total: None,
    attempts: int = ATTEMPTS,
) -> Path:
    """Downloads an archive and checks its digest.

    A download that breaks off starts anew; nothing incomplete is left.

    `attempts` is how often a connection that breaks off, or a busy server, is tried.

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
    # Otherwise requests unpacks what a server sends as gzip, and the digest differs.
    headers = {"Accept-Encoding": "identity"}
    bar: Any = _Bar(progress)
    http = pooch.HTTPDownloader(bar, CHUNK, timeout=TIMEOUT_S, headers=headers)

    def download(url: str, output_file: Any, mirror: Any) -> None:
        http(url, output_file, mirror)
        # Checked here, since pooch would download another file again and again.
        if not pooch.hashes.hash_matches(output_file, archive.digest):
            raise DownloadError(
                f"{url} gave another content than expected ({archive.digest}), and it was deleted: "
                "try again, or look at the set's page"
            )

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
    def __init__(self, progress: ByteProgress):
        self._progress, self._done, self.total = progress, 0, 0

    def update(self, count: int) -> None:
        done = self._done + count
        self._done = min(done, self.total) if self.total else done
        self._progress(self._done, self.total or None)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Does nothing: the caller's bar stays."""


def extract(archive: Path, folder: Path) -> None:
    """Writes the members of a zip or tar file into a new folder, and nothing outside it.

    Raises:
      DownloadError: if the archive is damaged or encrypted, or a tar file has a device, or a name
        or a link that leads out of the folder.
      OSError: if it cannot be written, as on a full disk.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        else:
            with tarfile.open(archive) as opened:
                opened.extractall(folder, filter="data")
                # gzip's checksum follows the last member.
                while opened.fileobj is not None and opened.fileobj.read(CHUNK):
                    pass
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        gzip.BadGzipFile,
        EOFError,
        RuntimeError,  # encrypted, or compressed by an unknown method
    ) as error:
        raise DownloadError(
            f"{archive.name} is damaged, or no zip or tar file that is taken: {error}. It was "
            "deleted"
        ) from error
