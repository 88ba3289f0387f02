"""Output files: a plain file is replaced in one step; a device or a pipe is written into."""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError

# 48 bits distinguish all models that anybody will train, and keep a line of metadata short.
_DIGEST_DIGITS = 12


def check_outputs(*paths: Path | None) -> None:
    """Checks that files can be written, before the work whose results they will hold.

    Raises:
      InputError: if a path is a folder, a file is where one of its folders must be, or two paths
        are the same file.
    """
    plain: dict[Path, Path] = {}
    for path in filter(None, paths):
        if path.is_dir():
            raise InputError(f"nothing can be written to {path}, which is a folder: name a file")
        check_folder(path.parent)
        if _is_stream(path):
            continue
        first = plain.setdefault(path.resolve(), path)
        if first is not path:
            raise InputError(f"{first} and {path} are the same file: name two")


def check_folder(folder: Path) -> None:
    """Checks that a folder exists or can be made, as far as existing files tell.

    Raises:
      InputError: naming the file that is where a folder must be.
    """
    for part in (folder, *folder.parents):
        # A link that leads nowhere exists as well: no folder can be made in its place.
        if part.is_dir() or not os.path.lexists(part):
            continue
        raise InputError(f"there is a file where a folder must be, {part}: name another place")


def make_folder(folder: Path) -> None:
    """Makes a folder and those that contain it; an existing one is left as it is.

    Raises:
      InputError: naming the file that is where a folder must be.
      OSError: if the system refuses.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file completely or not at all.

    A plain file is replaced by a rename, so no reader ever sees half of it. A link is followed and
    stays. A device or a pipe is written into.

    Raises:
      InputError: if a file is where a folder must be.
      OSError: naming `path`, if the system refuses to write.
    """
    with errors_name(path), atomic_write(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 as `write_bytes` does.

    File names that are not UTF-8, which Python holds as lone surrogates, become the bytes that
    they consist of.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, values: Any) -> None:
    """Writes indented JSON as `write_bytes` does; see `dump_json`."""
    write_bytes(path, (dump_json(values, indent=2) + "\n").encode())


def dump_json(values: Any, indent: int | None = None) -> str:
    """Returns strict JSON. Infinity and NaN, which JSON does not have, become null.

    >>> dump_json({"psnr": float("inf"), "ssim": 1.0})
    '{"psnr": null, "ssim": 1.0}'
    """
    return json.dumps(_finite(values), indent=indent, allow_nan=False)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives the path of a temporary file, whose content becomes that of `path` at the end.

    The rules for links, devices and pipes are those of `write_bytes`. After an error the temporary
    file is removed, and `path` is as it was.

    Raises:
      OSError: if the path cannot be followed or written.
    """
    if _is_stream(path):
        yield path
        return
    target = path.resolve()
    make_folder(target.parent)
    # No other process has this name, and every name that the system accepts has one.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        with errors_name(path), part.open("rb") as file:
            os.fsync(file.fileno())
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Adds the path to an `OSError` that names no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == str(path):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _finite(values: Any) -> Any:
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return values


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file()


def digest_of(content: bytes) -> str:
    """Returns the beginning of a SHA-256 in hexadecimal, "sha256:" in front of it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()[:_DIGEST_DIGITS]}"
