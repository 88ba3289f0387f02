"""Reads the folders of a set: its originals, and the LR images that it has beside them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import SUFFIXES
from subpixel.sr.data.templates import LAYOUTS, LR_FOLDER, LR_WORD, Layout, match

# Image formats that are not read: camera raw, HEIC, JPEG XL and others. Their files are reported.
_UNREAD = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw"}
    | {".rw2", ".srw", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".exr", ".hdr", ".pfm", ".tga"}
    | {".eps", ".ico", ".j2k", ".pcx", ".psd", ".svg", ".svgz", ".xcf"}
)


def stem(path: Path) -> str:
    """Returns the name of a file without suffix, in the Unicode form NFC, which macOS changes."""
    return unicodedata.normalize("NFC", path.stem)


class Folder:
    """The content of a folder, which is read once; hidden files and folders are left out."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _files(self) -> list[Path]:
        return [p for p in sorted(self.path.iterdir()) if not p.name.startswith(".")]

    @cached_property
    def folders(self) -> dict[str, "Folder"]:
        """The sub-folders by name."""
        return {path.name: Folder(path) for path in self._files if path.is_dir()}

    @cached_property
    def images(self) -> dict[str, Path]:
        """The images by the name without suffix, or with it where two would be equal."""
        images = [p for p in self._with_suffix(SUFFIXES) if p.name not in self.folders]
        counts = Counter(map(stem, images))
        return {
            stem(file) if counts[stem(file)] == 1 else unicodedata.normalize("NFC", file.name): file
            for file in images
        }

    def _with_suffix(self, suffixes: frozenset[str]) -> list[Path]:
        return [path for path in self._files if path.suffix.lower() in suffixes]

    def left_out(self, below: bool = True) -> list[str]:
        """Returns a sentence for each suffix of image files that are not read.

        With `below`, there is one also for each sub-folder of images that is none of LR images.
        """
        counts = Counter(path.suffix.lower() for path in self._with_suffix(_UNREAD))
        notes = [
            f"{_count(number)} in {self.path} with the suffix {suffix}, which is not read: convert "
            "them to PNG"
            for suffix, number in sorted(counts.items())
        ]
        for name, folder in self.folders.items() if below else ():
            count = sum(
                file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
                for file in folder.path.rglob("*")
            )
            if count and not LR_FOLDER.fullmatch(name):
                notes.append(f"{_count(count)} in the sub-folder {folder.path}")
        return notes


def _count(images: int) -> str:
    return f"{images} image" + ("s" if images != 1 else "")


@dataclass(frozen=True)
class Originals:
    """The originals of a set, `files` by name, in `folder` of the set's own, `base`.

    Attributes:
      layouts: the layouts that fit.
      fields: the values of the template's fields.
      lr: LR images in the same folder, by name and scale; scale 0 if the name states none.
      left_out: one sentence for each kind of image that is not among these.
    """

    base: Folder
    folder: Path
    layouts: tuple[Layout, ...]
    fields: dict[str, str]
    files: dict[str, Path]
    lr: dict[tuple[str, int], Path]
    left_out: tuple[str, ...]


def find_originals(path: Path, scale: int | None) -> Originals | None:
    """Finds the originals of a set by its folder, or by that of the originals; None without one.

    Where a set has a folder for each scale, None takes the smallest.

    Raises:
      InputError: if the folder fits no layout, or holds more than one set.
    """
    if not path.is_dir():
        return None
    folder = Folder(path)
    found = list(_candidates(folder, scale))
    if len(found) > 1:
        named = [str(each.path) for _, each, _, _ in found if each is not folder]
        own = ["images of its own"] * (len(found) - len(named))
        raise InputError(
            f"folder {path} holds more than one set: {', '.join(own + named)}; name the one that "
            f"is meant, such as {named[0]}"
        )
    if not found:
        places = dict.fromkeys(layout.folder for layout in LAYOUTS if layout.folder)
        inside = ", ".join([*folder.folders][:5])
        parts = [
            f"folder {path} has no images: expected are files that end in "
            f"{' '.join(sorted(SUFFIXES))}, or a folder of them called {', '.join(places)}",
            *([f"of its folders ({inside}) name the one that has them"] if inside else []),
            *folder.left_out(below=False),
        ]
        raise InputError("; ".join(parts))
    return _read(*found[0])


def _candidates(
    folder: Folder, scale: int | None
) -> Iterator[tuple[Folder, Folder, str, dict[str, str]]]:
    """Yields the base, the folder, its template and its fields, of the originals in a folder."""
    templates = [template for template in dict.fromkeys(lay.folder for lay in LAYOUTS) if template]
    path = folder.path
    if folder.images:
        of_scale = re.fullmatch(r"x\d+", path.name, re.I)
        if LR_FOLDER.fullmatch(path.parent.name if of_scale else path.name):
            raise InputError(
                f"folder {path} is named as a folder of LR images, which are no originals: name "
                "the folder of the originals, or rename this one if it holds them"
            )
        for template in templates:
            if (fields := match(template, path.name)) is not None:
                yield Folder(path.absolute().parent), folder, template, fields
                return
        yield folder, folder, "", {}
    for template in templates:
        fits = []
        for name, inside in folder.folders.items():
            fields = match(template, name)
            if fields is not None and inside.images:
                fits.append((folder, inside, template, fields))
        if "{r}" in template:
            fits = [fit for fit in fits if scale in (None, int(fit[3]["r"]))]
            fits = sorted(fits, key=lambda fit: int(fit[3]["r"]))[:1]
        yield from fits


def _read(base: Folder, folder: Folder, template: str, fields: dict[str, str]) -> Originals:
    path, images = folder.path, folder.images
    notes = folder.left_out(below=folder is base)
    layouts = [layout for layout in LAYOUTS if layout.folder == template]
    beside = [layout for layout in layouts if layout.lr_name and layout.lr_folder == template]
    for layout in beside:
        hr, lr = _split_by_name(layout, images)
        if lr or template:
            if rest := len(images) - len(hr) - len(lr):
                notes.append(
                    f"{_count(rest)} in {path} that fit neither {layout.name} nor {layout.lr_name}"
                )
            return Originals(base, path, (layout,), fields, hr, lr, tuple(notes))
    named = next(filter(LR_WORD.search, images), None)
    if folder is base and named is not None:
        raise InputError(
            f"image {images[named]} is named as an LR image and fits no layout: expected "
            "beside its original are {name}_LR or {name}_LR{r} of {name}_HR, or {name}x{r} of "
            "{name}; data.lr states any other folder. Rename or move it"
        )
    own = tuple(layout for layout in layouts if layout not in beside)
    return Originals(base, path, own, fields, images, {}, tuple(notes))


def _split_by_name(
    layout: Layout, images: dict[str, Path]
) -> tuple[dict[str, Path], dict[tuple[str, int], Path]]:
    hr = {
        found["name"]: path for name, path in images.items() if (found := match(layout.name, name))
    }
    lr = {
        (found["name"], int(found.get("r", 0))): path
        for name, path in images.items()
        if (found := match(layout.lr_name, name)) and found["name"] in hr
    }
    # Where an original has any name, each LR image was counted as one too.
    used = set(lr.values())
    return {name: path for name, path in hr.items() if path not in used}, lr


def find_lr(
    originals: Originals, scale: int, kind: str, lr: str = "", lr_name: str = ""
) -> dict[str, Path] | None:
    """Pairs originals with the LR images that their set has.

    The templates `lr`, of their folder in that of the set, and `lr_name` replace the layout's.

    Returns:
      The LR image of each original by name, or None if the set has none.

    Raises:
      InputError: if an image is in only one of the folders or twice, several folders hold LR
        images, or a folder is named as one and fits no layout.
    """
    base = originals.base
    if lr:
        place = lr.format(r=scale)
        folder = _descend(base, place)
        if folder is None:
            raise InputError(f"data.lr is {lr!r}, and {base.path / place} is no folder")
        return _match(originals, folder, lr_name, scale)
    inside = {name: path for (name, r), path in originals.lr.items() if r in (0, scale)}
    if inside:
        return _complete(originals, inside, originals.folder)
    found: dict[Path, tuple[Folder, Layout]] = {}
    for layout in originals.layouts:
        if layout.lr_folder == layout.folder or layout.kind not in ("", kind):
            continue
        place = layout.lr_folder.format(**{**originals.fields, "r": scale, "kind": kind})
        folder = _descend(base, place)
        if folder is not None and folder.images:
            found[folder.path] = folder, layout
    if len(found) > 1:
        raise InputError(
            f"{len(found)} folders hold LR images for x{scale}: {', '.join(map(str, found))}; move "
            "away all but the one that is meant, or name it with data.lr"
        )
    for folder, layout in found.values():
        return _match(originals, folder, layout.lr_name, scale)
    _refuse_unfit(originals)
    return None


def _descend(base: Folder, place: str) -> Folder | None:
    folder = base
    for part in Path(place).parts:
        if (folder.path / part).is_dir():
            folder = folder.folders.get(part) or Folder(folder.path / part)
            continue
        names = {name.lower(): inside for name, inside in folder.folders.items()}
        if part.lower() not in names:
            return None
        folder = names[part.lower()]
    return folder


def _match(originals: Originals, folder: Folder, template: str, scale: int) -> dict[str, Path]:
    files, pairs = folder.images, dict[str, Path]()
    takers: dict[Path, Path] = {}
    for name, original in originals.files.items():
        names = [template.format(name=stem(original), r=scale, x=x) for x in (f"x{scale}", "")]
        fits = list(dict.fromkeys(files[name] for name in names if name in files))
        if len(fits) > 1:
            raise InputError(
                f"two files are the LR image of {original}: {fits[0]} and {fits[1]}; remove one"
            )
        for path in fits:
            if path in takers:
                raise InputError(
                    f"two images have the same name, and the LR image {path} fits both: "
                    f"{takers[path]} and {original}; rename one or remove it"
                )
            takers[path], pairs[name] = original, path
    # A file whose name states another scale belongs to that.
    stated = {path: match("{name}x{r}", stem(path)) for path in files.values()}
    spare = [
        path
        for path, fields in stated.items()
        if path not in takers and (fields is None or int(fields["r"]) == scale)
    ]
    _refuse_unmatched(spare, originals.folder)
    return _complete(originals, pairs, folder.path)


def _complete(originals: Originals, pairs: dict[str, Path], folder: Path) -> dict[str, Path]:
    _refuse_unmatched([p for name, p in originals.files.items() if name not in pairs], folder)
    return pairs


def _refuse_unmatched(paths: list[Path], folder: Path) -> None:
    if paths:
        more = f", and {len(paths) - 1} more have none" if len(paths) > 1 else ""
        raise InputError(
            f"image {paths[0]} has no counterpart in {folder}{more}: complete the copy, or remove "
            "it"
        )


def _refuse_unfit(originals: Originals) -> None:
    known = [layout.lr_folder.partition("/")[0] for layout in LAYOUTS if layout.lr_folder]
    unfit = [
        name
        for name in originals.base.folders
        if LR_FOLDER.fullmatch(name) and all(match(place, name) is None for place in known)
    ]
    expected = [f"{each.lr_folder}/{each.lr_name}" for each in originals.layouts if each.lr_folder]
    expected = expected or ["HR/{name} with LR_{kind}/X{r}/{name}x{r}, LR/X{r}/{name} or LR/{name}"]
    if unfit:
        raise InputError(
            f"folder {originals.base.path} holds {', '.join(unfit)}, which fits no layout of LR "
            f"images: expected {'; '.join(expected)}. data.lr and data.lr_name state any other, "
            "and without that folder they are made"
        )
