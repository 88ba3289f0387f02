"""Checks whether a copy of a named set is complete, and whether it is that set."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import NamedSet
from subpixel.sr.data.folders import find_lr
from subpixel.sr.data.images import UnsupportedImageError, open_image, read_image
from subpixel.sr.datasets.digests import Digest, digest_file, digest_pixels, known_digests

# The end of a complete file; an incomplete copy lacks it. JPEGs may have padding after it.
ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
# Of the LR images that sets have.
SCALES = (2, 3, 4, 8)


@dataclass(frozen=True)
class Inspection:
    """What was found of a set under a data root.

    Attributes:
      entry: the set.
      folder: where its images lie, or None if it is absent.
      found: how many images are there.
      missing: names of absent images, or their number if the names are not known.
      damaged: the error of each image that cannot be read.
      unsupported: the error of each intact image of a kind that is not used, such as CMYK.
      other: the difference of each image from that of the set.
      unexpected: names of images that the set does not have.
      left_out: images of the folder that are not among those found, one sentence for each kind.
      known: whether there are digests to compare with.
      read: whether all pixels were read.
    """

    entry: NamedSet
    folder: Path | None
    found: int = 0
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    known: bool = False
    read: bool = False

    @property
    def complete(self) -> bool:
        """Whether every image is there and can be used, whatever its content."""
        absent = self.folder is None or self.missing
        return not (absent or self.damaged or self.unsupported)

    @property
    def as_expected(self) -> bool:
        """Whether the set is complete, differs in nothing from what is known, and is all read."""
        return self.complete and not (self.other or self.unexpected or self.left_out)

    @property
    def state(self) -> str:
        """One of the seven states, in one or two words."""
        if self.folder is None:
            return "absent"
        if self.missing:
            return "half copied"
        if self.damaged:
            return "damaged"
        if self.unsupported:
            return "not usable"
        if self.other or self.unexpected:
            return "other content"
        return "images left out" if self.left_out else "complete"


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
    files = originals.files
    known = known_digests(entry.name)

    def examine(name: str) -> Digest | InputError:
        # An image with an unknown name is identified by its pixels.
        return _examine(files[name], read or (bool(known) and name not in known))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(files, pool.map(examine, files), strict=True))
    errors = [what for what in found.values() if isinstance(what, InputError)]
    unsupported = [error for error in errors if isinstance(error, UnsupportedImageError)]
    compared = _compare(found, known) if known else _count(entry, found)
    return Inspection(
        entry,
        originals.folder,
        len(files),
        damaged=tuple(str(error) for error in errors if error not in unsupported),
        unsupported=tuple(map(str, unsupported)),
        left_out=originals.left_out,
        known=bool(known),
        read=read,
        **compared,
    )


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
            if str(error) not in (problem for problems in found.values() for problem in problems):
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


def _compare(found: dict[str, Digest | InputError], known: dict[str, Digest]) -> dict[str, tuple]:
    """Compares images with those of the set by name, or by content where a name is unknown."""
    names = {digest.pixels: name for name, digest in known.items()}
    present, other, unexpected = set(), [], []
    for name, digest in found.items():
        by_content = names.get(digest.pixels) if isinstance(digest, Digest) else None
        if name not in known and by_content is None:
            unexpected.append(name)
            continue
        present.add(name if name in known else by_content)
        if isinstance(digest, Digest) and name in known:
            reason = _difference(digest, known[name])
            other += [f"{name}: {reason}"] if reason else []
    missing = tuple(name for name in known if name not in present)
    return {"missing": missing, "other": tuple(other), "unexpected": tuple(unexpected)}


def _difference(found: Digest, known: Digest) -> str:
    if found.size != known.size:
        here, there = ("x".join(map(str, digest.size)) for digest in (found, known))
        return f"{here} pixels instead of {there}"
    if found.pixels in ("", known.pixels) or (found.file and found.file == known.file):
        return ""
    if found.resembles(known):
        return "the same image with other pixels: encoded again, or by another decoder"
    return "another image"


def _count(entry: NamedSet, found: dict[str, Digest | InputError]) -> dict[str, tuple]:
    """Finds the missing images by the numbers in the names, or else their count."""
    if not entry.count:
        return {"missing": (), "unexpected": ()}
    if entry.numbers is None:
        lack = entry.count - len(found)
        missing = (f"{lack} of {entry.count}",) if lack > 0 else ()
        unexpected = (f"{-lack} more than {entry.count}",) if lack < 0 else ()
        return {"missing": missing, "unexpected": unexpected}
    numbers = {name: re.findall(r"\d+", name) for name in found}
    last = {int(digits[-1]): name for name, digits in numbers.items() if digits}
    expected = range(entry.numbers, entry.numbers + entry.count)
    return {
        "missing": tuple(str(number) for number in expected if number not in last),
        "unexpected": tuple(
            name
            for name, digits in numbers.items()
            if not digits or int(digits[-1]) not in expected
        ),
    }
