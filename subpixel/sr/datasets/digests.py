"""Digests of the images of the named sets, which identify a copy of them.

Copies of a set are PNG, BMP or JPEG files, so a digest of the files would differ between lossless
copies. `Digest.pixels` is therefore a digest of the decoded pixels. JPEG decoders differ by
single levels: if the original is a JPEG, `Digest.file` identifies it with any decoder.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from subpixel.sr.data.catalogue import SETS

JPEG = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Digest:
    """Width and height, and half a SHA-256 of size and RGB, and of the file where it is a JPEG."""

    size: tuple[int, int]
    pixels: str
    file: str = ""


def digest_pixels(image: UInt8[np.ndarray, "h w 3"]) -> Digest:
    """Returns the digest of an image, uint8 (h, w, 3)."""
    height, width, _ = image.shape
    return Digest((width, height), _half(f"{height} {width} ".encode() + image.tobytes()))


def digest_file(path: Path) -> str:
    """Returns `Digest.file` of a file, "" if it is no JPEG."""
    return _half(path.read_bytes()) if path.suffix.lower() in JPEG else ""


def _half(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@cache
def known_digests(name: str) -> dict[str, Digest]:
    """Returns the digests of a named set by the names of its images, empty if none are known."""
    same = SETS[name].same_as if name in SETS else ""
    return {
        image: Digest(tuple(values["size"]), values["pixels"], values["file"])
        for image, values in _read().get(same or name, {}).items()
    }


@cache
def _read() -> dict[str, dict[str, dict]]:
    return json.loads((files("subpixel.sr.datasets") / "digests.json").read_text())
