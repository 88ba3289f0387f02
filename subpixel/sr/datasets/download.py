"""Resumable HTTP download with checksum verification.

It uses urllib: a resumed download is three headers and a check, which requests, httpx and pooch
leave to their callers too, so a dependency would gain nothing.
"""

import errno
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from subpixel.sr._support.files import naming
from subpixel.sr.data.catalogue import Archive

CHUNK = 1 << 20
ATTEMPTS = 5
TIMEOUT_S = 60


class DownloadError(OSError):
    """A download failed; the message states the reason and the remedy."""


class _BrokeOffError(Exception):
    """The connection ended early; another attempt may succeed."""


# Called with the number of bytes received, and the number of all bytes or None.
ByteProgress = Callable[[int, int | None], None]


def fetch(
    archive: Archive,
    folder: Path,
    *,
    progress: ByteProgress = lambda done, total: None,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Downloads an archive, or the rest of it, and checks its size and digest.

    An incomplete file is kept as NAME.part. NAME.version beside it holds the version of the file,
    which the server compares when the download resumes.

    Args:
      archive: what to fetch.
      folder: for the file; it is created if it is missing.
      progress: called after each chunk.
      wait: sleeps for seconds between attempts.

    Returns:
      The file.

    Raises:
      DownloadError: if the address does not answer or gives another file than expected.
      OSError: if it cannot be written, as on a full disk.
    """
    target = folder / archive.file
    folder.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        part = _part(target)
        _fetch_part(archive, part, progress, wait)
        _check(archive, part)
        part.replace(target)
        _version(part).unlink(missing_ok=True)
    return target


def _fetch_part(
    archive: Archive, part: Path, progress: ByteProgress, wait: Callable[[float], None]
) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            return _fetch_rest(archive, part, progress)
        except (_BrokeOffError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures == ATTEMPTS:
                raise DownloadError(
                    f"{archive.url} broke off, {ATTEMPTS} times with nothing new ({error}): the "
                    f"same command resumes from {_size(part)} bytes"
                ) from error
        wait(2.0 ** (failures - 1))


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _version(part: Path) -> Path:
    return part.with_suffix(".version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(archive: Archive, part: Path, progress: ByteProgress) -> None:
    have = _size(part)
    version = _version(part).read_text() if have and _version(part).exists() else ""
    headers = {"User-Agent": "subpixel", "Accept-Encoding": "identity"}
    if version:
        # Without If-Range, the rest of a file that changed meanwhile would be joined to the old.
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    request = urllib.request.Request(archive.url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            _receive(archive, part, response, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # The file is complete, or the incomplete part belongs to another file.
            if error.headers.get("Content-Range") != f"bytes */{have}":
                _forget(part)
                raise _BrokeOffError("the incomplete part does not fit") from error
        elif error.code >= 500 or error.code in (408, 429):
            raise _BrokeOffError(str(error)) from error
        else:
            raise DownloadError(
                f"{archive.url} answers {error.code} {error.reason}: it is no longer the right "
                "address, or wants a login"
            ) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionError | TimeoutError):
            raise _BrokeOffError(str(error.reason)) from error
        raise DownloadError(f"{archive.url} cannot be reached: {error.reason}") from error


def _receive(
    archive: Archive, part: Path, response: http.client.HTTPResponse, progress: ByteProgress
) -> None:
    have = _size(part) if response.status == 206 else 0
    if have and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        _forget(part)
        raise _BrokeOffError("the server sent another part than was asked for")
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    if archive.size is not None and total not in (None, archive.size):
        _forget(part)
        raise DownloadError(
            f"{archive.url} has {total} bytes instead of {archive.size}: another file is there now"
        )
    _require_space(part, (total or have) - have)
    etag = response.headers.get("ETag", "")
    version = response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    _version(part).write_text(version or response.headers.get("Last-Modified", ""))
    with part.open("ab" if have else "wb") as file:
        while chunk := response.read(CHUNK):
            with naming(part):
                file.write(chunk)
            have += len(chunk)
            progress(have, total)
    if total is not None and have < total:
        raise _BrokeOffError(f"{have} of {total} bytes came")


def _require_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{needed / 1e6:,.0f} MB are still to come, and {free / 1e6:,.0f} MB are free",
            str(part.parent),
        )


def _check(archive: Archive, part: Path) -> None:
    if archive.size is not None and _size(part) != archive.size:
        size = _size(part)
        _forget(part)
        raise DownloadError(
            f"{archive.url} gave {size} bytes instead of {archive.size}: another file is there now"
        )
    if archive.digest is not None:
        algorithm, _, expected = archive.digest.partition(":")
        with part.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected:
            _forget(part)
            raise DownloadError(
                f"{archive.url} gave another content than expected ({algorithm} {found} instead of "
                f"{expected}), and it was deleted: try again, or look at the set's page"
            )


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)
