"""Manifest of a checkpoint: sizes and digests of its files.

Orbax detects missing and truncated files, but not changed bytes.
"""

import hashlib
import json
from pathlib import Path

from subpixel.sr._support.files import write_json

NAME = "MANIFEST.json"
UNFINISHED = "it was not finished"


def write_manifest(folder: Path) -> None:
    """Writes the manifest of a finished checkpoint, completely or not at all."""
    write_json(folder / NAME, {name: _describe(folder / name) for name in _files(folder)})


def find_damage(folder: Path) -> str | None:
    """Returns what differs between a checkpoint and its manifest, or None if nothing does."""
    if not folder.is_dir():
        return "it is not a folder"
    try:
        manifest = json.loads((folder / NAME).read_text())
        lost = sorted(set(manifest) - set(_files(folder)))
        if lost:
            return f"{lost[0]} is missing"
        for name, expected in manifest.items():
            found = _describe(folder / name)
            if found["bytes"] != expected["bytes"]:
                return f"{name} has {found['bytes']} of {expected['bytes']} bytes"
            if found["sha256"] != expected["sha256"]:
                return f"{name} has other bytes than were written"
    except FileNotFoundError:
        return UNFINISHED
    # A damaged manifest can hold any JSON, or none; deeply nested lists exhaust the stack.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its {NAME} cannot be read: {error!r}"
    return None


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return sorted(str(path.relative_to(folder)) for path in paths)


def _describe(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
