"""Digests of the images of the named sets, which identify a copy of them.

Copies of a set are PNG, BMP or JPEG files, so a digest of the files would differ between lossless
copies. `Digest.pixels` is therefore a digest of the decoded pixels. JPEG decoders differ by
single levels: if the original is a JPEG, `Digest.file` identifies it with any decoder.
`Digest.looks` distinguishes the same image, encoded with loss or decoded by another library, from
another image.
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
GRID = 4
# Levels by which a mean over a sixteenth of the image may differ. Of the 710 images in
# digests.json, JPEG at quality 30 moves one by 4 at most, and no two of a size are nearer than 13.
NEAR = 5


@dataclass(frozen=True)
class Digest:
    """Digests of an image of a named set.

    Attributes:
      size: width and height.
      pixels: SHA-256, half of it, of height, width and RGB as uint8.
      looks: the means of its 4x4 parts, rounded, in hexadecimal.
      file: SHA-256, half of it, of the file, where that is a JPEG.
    """

    size: tuple[int, int]
    pixels: str
    looks: str
    file: str = ""

    def resembles(self, other: "Digest") -> bool:
        """Whether both belong to one image, even if encoding changed its pixels."""
        ours, theirs = (np.frombuffer(bytes.fromhex(d.looks), np.uint8) for d in (self, other))
        return bool(self.size == other.size and (abs(ours.astype(int) - theirs) <= NEAR).all())


def digest_pixels(image: UInt8[np.ndarray, "h w 3"]) -> Digest:
    """Returns the digest of an image, uint8 (h, w, 3)."""
    height, width, _ = image.shape
    parts = [np.array_split(row, GRID, axis=1) for row in np.array_split(image, GRID)]
    means = [round(float(part.mean())) if part.size else 0 for row in parts for part in row]
    pixels = _half(f"{height} {width} ".encode() + image.tobytes())
    return Digest((width, height), pixels, bytes(means).hex())


def digest_file(path: Path) -> str:
    """Returns `Digest.file` of a file, "" if it is no JPEG."""
    return _half(path.read_bytes()) if path.suffix.lower() in JPEG else ""


def _half(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@cache
def known_digests(name: str) -> dict[str, Digest]:
    """Returns the digests of a named set by the names of its images, empty if none are known."""
    same = SETS[name].same_as if name in SETS else ""
    entries = _read().get(same or name, {})
    return {
        image: Digest(tuple(values["size"]), values["pixels"], values["looks"], values["file"])
        for image, values in entries.items()
    }


@cache
def _read() -> dict[str, dict[str, dict]]:
    return json.loads((files("subpixel.sr.datasets") / "digests.json").read_text())
