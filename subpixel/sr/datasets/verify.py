"""Checks whether a copy of a named set is complete, and whether it is that set."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import NamedSet
from subpixel.sr.data.images import UnsupportedImageError, open_image, read_image
from subpixel.sr.data.pairs import data_root
from subpixel.sr.datasets.digests import Digest, digest_file, digest_pixels, known_digests

# The state of a set by the first kind of its findings.
STATES = {
    "missing": "half copied",
    "damaged": "damaged",
    "not usable": "not usable",
    "other content": "other content",
    "not of this set": "other content",
    "left out": "images left out",
}
SHOWN = 5


@dataclass(frozen=True)
class Inspection:
    """What was found of a set in `folder`, None if it is absent, in how many images.

    `findings` are lines by the kinds of `STATES`: names of missing and unexpected images, errors of
    those that cannot be used, differences from those of the set. `known` says whether there are
    digests to compare with.
    """

    entry: NamedSet
    folder: Path | None
    found: int = 0
    findings: dict[str, list[str]] = field(default_factory=dict)
    known: bool = False

    @property
    def complete(self) -> bool:
        """Whether every image is there and can be used, whatever its content."""
        return self.state not in ("absent", "half copied", "damaged", "not usable")

    @property
    def state(self) -> str:
        """One of the seven states, in one or two words."""
        if self.folder is None:
            return "absent"
        return next((STATES[kind] for kind, lines in self.findings.items() if lines), "complete")


def inspect(entry: NamedSet, root: Path, *, read: bool) -> Inspection:
    """Compares a copy of a set with its known digests; without `read` only names and sizes.

    Raises:
      InputError: if a folder of the set's name has no images, or more than one set.
    """
    originals = entry.find(root)
    if originals is None:
        return Inspection(entry, None)
    files, known = originals.files, known_digests(entry.name)

    def examine(name: str) -> Digest | InputError:
        path = files[name]
        try:
            # An image with an unknown name is identified by its pixels.
            if read or (known and name not in known):
                return replace(digest_pixels(read_image(path)), file=digest_file(path))
            with open_image(path) as image:
                return Digest(image.size, pixels="")
        except InputError as error:
            return error
        except OSError as error:
            return InputError(str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(files, pool.map(examine, files), strict=True))
    findings: dict[str, list[str]] = {kind: [] for kind in STATES}
    for what in found.values():
        if isinstance(what, InputError):
            unsupported = isinstance(what, UnsupportedImageError)
            findings["not usable" if unsupported else "damaged"].append(str(what))
    if known:
        findings |= _compare(found, known)
    elif lack := entry.count and entry.count - len(found):
        kind, line = ("missing", "{} of {}") if lack > 0 else ("not of this set", "{} more than {}")
        findings[kind].append(line.format(abs(lack), entry.count))
    findings["left out"] = list(originals.left_out)
    return Inspection(entry, originals.folder, len(files), findings, bool(known))


def _compare(
    found: dict[str, Digest | InputError], known: dict[str, Digest]
) -> dict[str, list[str]]:
    """Compares images with those of the set by name, or by content where a name is unknown."""
    names = {digest.pixels: name for name, digest in known.items()}
    present, other, unexpected = set(), [], []
    for name, digest in found.items():
        pixels = digest.pixels if isinstance(digest, Digest) else ""
        of_set = name if name in known else names.get(pixels)
        if of_set is None:
            unexpected.append(name)
            continue
        present.add(of_set)
        if isinstance(digest, Digest) and (reason := _difference(digest, known[of_set])):
            other.append(f"{name}: {reason}")
    missing = [name for name in known if name not in present]
    return {"missing": missing, "other content": other, "not of this set": unexpected}


def _difference(found: Digest, known: Digest) -> str:
    if found.size != known.size:
        here, there = ("x".join(map(str, digest.size)) for digest in (found, known))
        return f"{here} pixels instead of {there}"
    if found.pixels in ("", known.pixels) or (found.file and found.file == known.file):
        return ""
    return "other pixels: another image, or the same encoded again or by another decoder"


def verify(entries: Sequence[NamedSet], root: Path) -> int:
    """Reads every image of the sets and prints what is missing, damaged or unexpected.

    Returns:
      0 if every set is as expected, or complete and nothing is known of its content; otherwise 1.
    """
    code = 0
    for entry in entries:
        inspection = inspect(entry, root, read=True)
        state = inspection.state
        if inspection.folder is None:
            print(f"{entry.name}: {state}\n  {what_to_do(entry, root)}")
            code = 1
            continue
        if state == "complete":
            state += " and as expected" if inspection.known else "; no digests are known"
        count = f"{inspection.found} of {entry.count}" if entry.count else f"{inspection.found}"
        print(f"{entry.name}: {state}, {count} images in {inspection.folder}")
        for title, lines in inspection.findings.items():
            for line in lines:
                print(f"  {title}: {line}")
        code = max(code, int(inspection.state != "complete"))
    return code


def remark(inspection: Inspection, root: Path) -> str:
    """Returns the folder of a set and its first problem, or how to get the set."""
    if inspection.folder is None:
        return what_to_do(inspection.entry, root)
    place = str(inspection.folder.relative_to(root))
    for title, lines in inspection.findings.items():
        if lines:
            more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            return f"{place}; {title}: {', '.join(lines[:SHOWN])}{more}"
    return place


def what_to_do(entry: NamedSet, root: Path) -> str:
    """Returns how to get a set that is absent."""
    place = root / entry.places[0]
    if not entry.count:
        return f"there is no folder {place}"
    if entry.by_hand:
        return f"{entry.by_hand}: {entry.homepage}; put its images into {place}"
    return f"python -m subpixel data download {entry.name}, or put its images into {place}"


def require_root(given: Path | None) -> Path:
    """Returns the data root.

    Raises:
      InputError: if none is given.
    """
    root = data_root(given)
    if root is None:
        raise InputError(
            "nothing says where data sets lie: set SUBPIXEL_DATA to a folder, or give --data-root"
        )
    return root
