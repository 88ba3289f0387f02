"""Prints the state of named sets, and how to complete them."""

from collections.abc import Sequence
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import NamedSet
from subpixel.sr.data.pairs import data_root
from subpixel.sr.datasets.verify import Inspection, inspect, inspect_lr

SHOWN = 5


def verify(entries: Sequence[NamedSet], root: Path) -> int:
    """Reads every image of the sets and prints what is missing, damaged or unexpected.

    Returns:
      0 if every set is as expected, otherwise 1.
    """
    code = 0
    for entry in entries:
        inspection = inspect(entry, root, read=True)
        code = max(code, report(inspection, root))
        for title, problems in inspect_lr(entry, root).items():
            print(f"  {title}: {'complete' if not problems else problems[0]}")
            for problem in problems[1:]:
                print(f"  {title}: {problem}")
            code = max(code, int(bool(problems)))
    return code


def report(inspection: Inspection, root: Path) -> int:
    """Prints an inspection, with the names of all unexpected findings.

    Returns:
      0 if it is as expected, or complete and nothing is known of its content; otherwise 1.
    """
    entry = inspection.entry
    where = f" in {inspection.folder}" if inspection.folder else ""
    print(f"{entry.name}: {_verdict(inspection)}{where}")
    if inspection.folder is None:
        print(f"  {what_to_do(entry, root)}")
    for title, names in _findings(inspection).items():
        for name in names:
            print(f"  {title}: {name}")
    return 0 if inspection.as_expected else 1


def _findings(inspection: Inspection) -> dict[str, tuple[str, ...]]:
    return {
        "missing": inspection.missing,
        "damaged": inspection.damaged,
        "not usable": inspection.unsupported,
        "other content": inspection.other,
        "not of this set": inspection.unexpected,
        "left out": inspection.left_out,
    }


def _verdict(inspection: Inspection) -> str:
    entry, state = inspection.entry, inspection.state
    if inspection.folder is None:
        return state
    if state == "complete":
        state = "complete and as expected" if inspection.known else "complete; no digests are known"
    count = f"{inspection.found} of {entry.count}" if entry.count else f"{inspection.found}"
    return f"{state}, {count} images"


def remark(inspection: Inspection, root: Path) -> str:
    """Returns the folder of a set and its first problem, or how to get the set."""
    if inspection.folder is None:
        return what_to_do(inspection.entry, root)
    place = str(inspection.folder.relative_to(root))
    for title, names in _findings(inspection).items():
        if names:
            return f"{place}; {title}: {_short(names)}"
    return place


def _short(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


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
