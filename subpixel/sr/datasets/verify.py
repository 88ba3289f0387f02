"""Checks whether a copy of a named set is complete, and whether it is that set."""

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import NamedSet
from subpixel.sr.data.folders import find_lr
from subpixel.sr.data.images import UnsupportedImageError, open_image, read_image
from subpixel.sr.data.pairs import data_root
from subpixel.sr.datasets.digests import Digest, digest_file, digest_pixels, known_digests

# The end of a complete file; an incomplete copy lacks it. JPEGs may have padding after it.
ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
# Of the LR images that sets have.
SCALES = (2, 3, 4, 8)
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
    """What was found of a set under a data root.

    Attributes:
      entry: the set.
      folder: where its images lie, or None if it is absent.
      found: how many images are there.
      findings: a line each, by the kinds of `STATES`: names of missing and unexpected images,
        errors of those that cannot be used, differences from those of the set.
      known: whether there are digests to compare with.
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
    """Compares a copy of a set with its known digests.

    Args:
      entry: the set.
      root: where data sets lie.
      read: whether to read every pixel; otherwise only names, sizes and the ends of files are
        checked, which is fast.

    Raises:
      InputError: if a folder of the set's name has no images, or more than one set.
    """
    originals = entry.find(root)
    if originals is None:
        return Inspection(entry, None)
    files, known = originals.files, known_digests(entry.name)

    def examine(name: str) -> Digest | InputError:
        # An image with an unknown name is identified by its pixels.
        return _examine(files[name], read or (bool(known) and name not in known))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(files, pool.map(examine, files), strict=True))
    findings: dict[str, list[str]] = {kind: [] for kind in STATES}
    for what in found.values():
        if isinstance(what, InputError):
            unsupported = isinstance(what, UnsupportedImageError)
            findings["not usable" if unsupported else "damaged"].append(str(what))
    findings |= _compare(found, known) if known else _count(entry, found)
    findings["left out"] = list(originals.left_out)
    return Inspection(entry, originals.folder, len(files), findings, bool(known))


def inspect_lr(entry: NamedSet, root: Path) -> dict[str, list[str]]:
    """Reads the LR images that a set has beside its originals.

    Returns:
      The problems of each kind and scale, such as "bicubic x2": none if it is complete.
    """
    originals, found = entry.find(root), dict[str, list[str]]()
    if originals is None:
        return found
    titles: dict[tuple[Path, ...], str] = {}
    for kind, scale in product(("bicubic", "unknown"), SCALES):
        title = f"{kind} x{scale}"
        try:
            files = find_lr(originals, scale, kind)
        except InputError as error:
            if [str(error)] not in found.values():
                found[title] = [str(error)]
            continue
        # A folder whose name states no kind or scale fits several.
        if files and titles.setdefault(tuple(files.values()), title) == title:
            found[title] = _damage(files.values())
    return found


def _damage(files: Iterable[Path]) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: _examine(path, read=True), files))
    return [str(what) for what in results if isinstance(what, InputError)]


def _examine(path: Path, read: bool) -> Digest | InputError:
    """Returns the digest of an image, without pixels if they are not read; or its error."""
    try:
        if read:
            digest = replace(digest_pixels(read_image(path)), file=digest_file(path))
        else:
            with open_image(path) as image:
                digest = Digest(image.size, pixels="", looks="")
        with path.open("rb") as file:
            file.seek(-min(path.stat().st_size, 1024), os.SEEK_END)
            ending = file.read()
    except InputError as error:
        return error
    except OSError as error:
        return InputError(str(error))
    # Pillow reads a PNG that lacks its last bytes if only its pixels are whole.
    if ENDINGS.get(path.suffix.lower(), b"") not in ending:
        return InputError(f"image {path} breaks off: copy it again")
    return digest


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
    if found.resembles(known):
        return "the same image with other pixels: encoded again, or by another decoder"
    return "another image"


def _count(entry: NamedSet, names: Iterable[str]) -> dict[str, list[str]]:
    """Finds the missing images by the numbers in the names, or else their count."""
    names = list(names)
    if entry.numbers is None:
        lack = entry.count - len(names) if entry.count else 0
        return {
            "missing": [f"{lack} of {entry.count}"] if lack > 0 else [],
            "not of this set": [f"{-lack} more than {entry.count}"] if lack < 0 else [],
        }
    numbers = {name: int((re.findall(r"\d+", name) or [-1])[-1]) for name in names}
    expected = range(entry.numbers, entry.numbers + entry.count)
    return {
        "missing": [str(number) for number in expected if number not in numbers.values()],
        "not of this set": [name for name, number in numbers.items() if number not in expected],
    }


def verify(entries: Sequence[NamedSet], root: Path) -> int:
    """Reads every image of the sets and prints what is missing, damaged or unexpected.

    Returns:
      0 if every set is as expected, or complete and nothing is known of its content; otherwise 1.
    """
    code = 0
    for entry in entries:
        inspection = inspect(entry, root, read=True)
        print(f"{entry.name}: {_verdict(inspection)}")
        if inspection.folder is None:
            print(f"  {what_to_do(entry, root)}")
        for title, lines in inspection.findings.items():
            for line in lines:
                print(f"  {title}: {line}")
        code = max(code, int(inspection.state != "complete"))
        for title, problems in inspect_lr(entry, root).items():
            for problem in problems or ["complete"]:
                print(f"  {title}: {problem}")
            code = max(code, int(bool(problems)))
    return code


def _verdict(inspection: Inspection) -> str:
    entry, state = inspection.entry, inspection.state
    if inspection.folder is None:
        return state
    if state == "complete":
        state = "complete and as expected" if inspection.known else "complete; no digests are known"
    count = f"{inspection.found} of {entry.count}" if entry.count else f"{inspection.found}"
    return f"{state}, {count} images in {inspection.folder}"


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
