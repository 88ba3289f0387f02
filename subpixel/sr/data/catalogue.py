"""The named sets of `sets.toml`: their contents, sources and folders."""

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.folders import Originals, find_originals
from subpixel.sr.serialization import structure

FOLDER = "folder:"


@dataclass(frozen=True)
class Archive:
    """A file to download; `sets.toml` explains the attributes.

    `places` are from a folder in the archive, "" for every image in it, to one under the data root.
    """

    url: str
    places: dict[str, str]
    digest: str | None = None
    stated_by: str = ""

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class NamedSet:
    """A set of images with a name; `sets.toml` explains the attributes."""

    name: str
    about: str
    count: int
    terms: str
    homepage: str
    places: tuple[str, ...]
    archives: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    by_hand: str = ""
    same_as: str = ""

    def find(self, root: Path, scale: int | None = None) -> Originals | None:
        """Returns its originals under `root`, or None.

        Raises:
          InputError: if a folder of its name has no images, or more than one set.
        """
        problems = []
        for place in self.places:
            try:
                if found := find_originals(root / place, scale):
                    return found
            except InputError as error:
                problems.append(error)
        if problems:
            raise problems[0]
        return None


def _read() -> tuple[dict[str, Archive], dict[str, NamedSet]]:
    content = tomllib.loads((files("subpixel.sr.data") / "sets.toml").read_text())
    archives, sets = content["archives"], content["sets"]
    return (
        {file: structure(values, Archive) for file, values in archives.items()},
        {name: structure({"name": name} | values, NamedSet) for name, values in sets.items()},
    )


ARCHIVES, SETS = _read()


def find_sets(name: str) -> list[NamedSet]:
    """Returns the set of a name, or every split of it: "BSDS500" has three.

    "folder:PATH" is a set without known contents.

    Raises:
      InputError: if there is none; the message names the nearest.
    """
    if name.startswith(FOLDER):
        path = name.removeprefix(FOLDER)
        own = "a folder of your own"
        return [NamedSet(name, own, 0, "", "", (path, str(Path(path).absolute())))]
    found = [entry for entry in SETS.values() if name in (entry.name, _family(entry.name))]
    if found:
        return found
    if name and Path(name).is_dir():
        raise InputError(f"{name!r} is a folder and no named set: name it {FOLDER}{name}")
    if not name:
        raise InputError(f"name a set: {', '.join(SETS)}")
    layouts = {layout.lower(): layout for key in SETS for layout in (key, _family(key))}
    nearest = get_close_matches(name.lower(), layouts, n=1, cutoff=0.0)[0]
    raise InputError(
        f"there is no set {name!r}: the nearest is {layouts[nearest]}; "
        "`python -m subpixel data` lists all"
    )


def _family(name: str) -> str:
    return name.partition("/")[0]
