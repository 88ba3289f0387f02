"""Reads the folders of a set: its originals, and the LR images that it has beside them."""

import mimetypes
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import SUFFIXES
from subpixel.sr.data.templates import LAYOUTS, LR_FOLDER, LR_WORD, Layout, is_lr, match

# Image formats that are not read and that Python's table of media types lacks: camera raw, HEIC,
# JPEG XL and others. Their files are reported.
_UNREAD = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw"}
    | {".rw2", ".srw", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".exr", ".hdr", ".pfm", ".tga"}
)


def stem(path: Path) -> str:
    """Returns the name of a file without suffix, in the Unicode form NFC, which macOS changes."""
    return unicodedata.normalize("NFC", path.stem)


@dataclass(frozen=True)
class Folder:
    """The content of a folder; hidden files and folders are left out.

    Attributes:
      images: by name: that of the file without suffix, or with it where two would be equal.
      folders: by name.
      unread: the number of image files that are not read, by suffix.
    """

    images: dict[str, Path]
    folders: dict[str, Path]
    unread: Counter[str]

    @classmethod
    def scan(cls, path: Path) -> "Folder":
        """Reads a folder once."""
        entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        folders = {entry.name: entry for entry in entries if entry.is_dir()}
        files = [entry for entry in entries if entry.name not in folders]
        images = [file for file in files if file.suffix.lower() in SUFFIXES]
        counts = Counter(map(stem, images))
        names = {
            stem(file) if counts[stem(file)] == 1 else unicodedata.normalize("NFC", file.name): file
            for file in images
        }
        unread = (file.suffix.lower() for file in files if _is_unread_image(file.suffix.lower()))
        return cls(names, folders, Counter(unread))


Scan = Callable[[Path], Folder]


def _is_unread_image(suffix: str) -> bool:
    kind = mimetypes.guess_type(f"a{suffix}")[0] or ""
    return suffix not in SUFFIXES and (suffix in _UNREAD or kind.startswith("image/"))


@dataclass(frozen=True)
class Originals:
    """The originals of a set.

    Attributes:
      base: the folder of the set.
      folder: that of the originals.
      layouts: the layouts that fit.
      fields: the values of the template's fields.
      files: the originals by name.
      lr: LR images in the same folder, by name and scale; scale 0 if the name states none.
      left_out: one sentence for each kind of image that is not among these.
    """

    base: Path
    folder: Path
    layouts: tuple[Layout, ...]
    fields: dict[str, str]
    files: dict[str, Path]
    lr: dict[tuple[str, int], Path]
    left_out: tuple[str, ...]


def find_originals(folder: Path, scale: int | None, scan: Scan | None = None) -> Originals | None:
    """Finds the originals of a set.

    Args:
      folder: the set's folder, that of its originals, or SET/SPLIT where SET has a folder
        X_SPLIT_HR, as in DIV2K/train.
      scale: r, where the set has a folder for each scale; None takes the smallest.
      scan: reads a folder.

    Returns:
      The originals, or None if there is no such folder.

    Raises:
      InputError: if the folder fits no layout, or holds more than one set.
    """
    scan = scan or cache(Folder.scan)
    split = folder if folder.is_dir() else _find_split(folder)
    if split is None:
        return None
    found = list(_candidates(split, scale, scan))
    if len(found) > 1:
        named = [str(path) for _, path, _, _ in found if path != split]
        own = ["images of its own"] * (len(found) - len(named))
        raise InputError(
            f"folder {folder} holds more than one set: {', '.join(own + named)}; name the one that "
            f"is meant, such as {named[0]}"
        )
    if not found:
        raise InputError(_describe_misfit(split, scan))
    return _read(*found[0], scan)


def _candidates(
    folder: Path, scale: int | None, scan: Scan
) -> Iterator[tuple[Path, Path, str, dict[str, str]]]:
    """Yields the base, the folder, its template and its fields, of the originals in a folder."""
    templates = [template for template in dict.fromkeys(lay.folder for lay in LAYOUTS) if template]
    if scan(folder).images:
        if is_lr(folder):
            raise InputError(
                f"folder {folder} is named as a folder of LR images, which are no originals: name "
                "the folder of the originals, or rename this one if it holds them"
            )
        for template in templates:
            if (fields := match(template, folder.name)) is not None:
                yield folder.absolute().parent, folder, template, fields
                return
        yield folder, folder, "", {}
    for template in templates:
        fits = []
        for name, path in scan(folder).folders.items():
            fields = match(template, name)
            if fields is not None and scan(path).images:
                fits.append((folder, path, template, fields))
        if "{r}" in template:
            fits = [fit for fit in fits if scale in (None, int(fit[3]["r"]))]
            fits = sorted(fits, key=lambda fit: int(fit[3]["r"]))[:1]
        yield from fits


def _read(base: Path, folder: Path, template: str, fields: dict[str, str], scan: Scan) -> Originals:
    content = scan(folder)
    notes = _unread(folder, content)
    if folder == base:
        notes += _count_below(folder, scan)
    layouts = [layout for layout in LAYOUTS if layout.folder == template]
    beside = [layout for layout in layouts if layout.lr_name and layout.lr_folder == template]
    for layout in beside:
        hr, lr = _split_by_name(layout, content.images)
        if lr or template:
            rest = len(content.images) - len(hr) - len(lr)
            if rest:
                notes.append(
                    f"{count_images(rest)} in {folder} that fit neither {layout.name} nor "
                    f"{layout.lr_name}"
                )
            return Originals(base, folder, (layout,), fields, hr, lr, tuple(notes))
    named = next(filter(LR_WORD.search, content.images), None)
    if folder == base and named is not None:
        raise InputError(
            f"image {content.images[named]} is named as an LR image and fits no layout: expected "
            "beside its original are {name}_LR or {name}_LR{r} of {name}_HR, or {name}x{r} of "
            "{name}; data.lr states any other folder. Rename or move it"
        )
    own = tuple(layout for layout in layouts if layout not in beside)
    return Originals(base, folder, own, fields, content.images, {}, tuple(notes))


def _split_by_name(
    layout: Layout, images: dict[str, Path]
) -> tuple[dict[str, Path], dict[tuple[str, int], Path]]:
    """Returns the originals of a folder, and their LR images in it by name and scale."""
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


def _unread(folder: Path, content: Folder) -> list[str]:
    return [
        f"{count_images(count)} in {folder} with the suffix {suffix}, which is not read: convert "
        "them to PNG"
        for suffix, count in sorted(content.unread.items())
    ]


def _count_below(folder: Path, scan: Scan) -> Iterator[str]:
    """Yields a sentence for each sub-folder that holds images and is none of LR images."""
    for name, path in scan(folder).folders.items():
        count = sum(
            file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            for file in path.rglob("*")
        )
        if count and not LR_FOLDER.fullmatch(name):
            yield f"{count_images(count)} in the sub-folder {path}"


def find_lr(
    originals: Originals,
    scale: int,
    kind: str,
    lr: str = "",
    lr_name: str = "",
    scan: Scan | None = None,
) -> dict[str, Path] | None:
    """Pairs originals with the LR images that their set has.

    Args:
      originals: of the set.
      scale: r.
      kind: the degradation of the LR images.
      lr: template of their folder, in that of the set, in place of the layout's.
      lr_name: template of their names.
      scan: reads a folder.

    Returns:
      The LR image of each original by name, or None if the set has none.

    Raises:
      InputError: if an image is in only one of the folders or twice, several folders hold LR
        images, or a folder is named as one and fits no layout.
    """
    scan = scan or cache(Folder.scan)
    if lr:
        folder = _descend(originals.base, lr.format(r=scale), scan)
        if folder is None:
            raise InputError(
                f"data.lr is {lr!r}, and {originals.base / lr.format(r=scale)} is no folder"
            )
        return _match(originals, scan(folder).images, folder, lr_name, scale)
    inside = {name: path for (name, r), path in originals.lr.items() if r in (0, scale)}
    if inside:
        return _complete(originals, inside, originals.folder)
    found: dict[Path, Layout] = {}
    for layout in originals.layouts:
        beside = layout.lr_folder == layout.folder
        if beside or layout.kind not in ("", kind):
            continue
        place = layout.lr_folder.format(**{**originals.fields, "r": scale, "kind": kind})
        folder = _descend(originals.base, place, scan)
        if folder is not None and scan(folder).images:
            found[folder] = layout
    if len(found) > 1:
        raise InputError(
            f"{len(found)} folders hold LR images for x{scale}: {', '.join(map(str, found))}; move "
            "away all but the one that is meant, or name it with data.lr"
        )
    for folder, layout in found.items():
        return _match(originals, scan(folder).images, folder, layout.lr_name, scale)
    _refuse_unfit(originals, scan)
    return None


def _descend(base: Path, place: str, scan: Scan) -> Path | None:
    """Returns a folder below another, found in upper and lower case; None if there is none."""
    folder = base
    for part in Path(place).parts:
        exact = folder / part
        if exact.is_dir():
            folder = exact
            continue
        names = {name.lower(): path for name, path in scan(folder).folders.items()}
        if part.lower() not in names:
            return None
        folder = names[part.lower()]
    return folder


def _match(
    originals: Originals, files: dict[str, Path], folder: Path, template: str, scale: int
) -> dict[str, Path]:
    """Pairs the originals with the files of a folder of LR images."""
    pairs: dict[str, Path] = {}
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
    spare = [path for path in files.values() if path not in takers and _of_scale(path, scale)]
    if spare:
        raise InputError(_unmatched(spare, originals.folder))
    return _complete(originals, pairs, folder)


def _of_scale(path: Path, scale: int) -> bool:
    """Whether a file may be an LR image for a scale: its name states no other."""
    found = match("{name}x{r}", stem(path))
    return found is None or int(found["r"]) == scale


def _complete(originals: Originals, pairs: dict[str, Path], folder: Path) -> dict[str, Path]:
    missing = [path for name, path in originals.files.items() if name not in pairs]
    if missing:
        raise InputError(_unmatched(missing, folder))
    return pairs


def _unmatched(paths: list[Path], folder: Path) -> str:
    more = f", and {len(paths) - 1} more have none" if len(paths) > 1 else ""
    return f"image {paths[0]} has no counterpart in {folder}{more}: complete the copy, or remove it"


def _refuse_unfit(originals: Originals, scan: Scan) -> None:
    known = [layout.lr_folder.partition("/")[0] for layout in LAYOUTS if layout.lr_folder]
    unfit = [
        name
        for name in scan(originals.base).folders
        if LR_FOLDER.fullmatch(name) and all(match(place, name) is None for place in known)
    ]
    if unfit:
        raise InputError(
            f"folder {originals.base} holds {', '.join(unfit)}, which fits no layout of LR images: "
            f"expected {'; '.join(_lr_templates(originals))}. data.lr and data.lr_name state any "
            "other, and without that folder they are made"
        )


def _lr_templates(originals: Originals) -> list[str]:
    return [
        f"{layout.lr_folder}/{layout.lr_name}" for layout in originals.layouts if layout.lr_folder
    ] or ["HR/{name} with LR_{kind}/X{r}/{name}x{r}, LR/X{r}/{name} or LR/{name}"]


def _find_split(folder: Path) -> Path | None:
    """Returns SET/X_SPLIT_HR for SET/SPLIT, or None if there is none."""
    if not folder.parent.is_dir():
        return None
    pattern = re.compile(rf".+_{re.escape(folder.name)}_HR", re.IGNORECASE)
    paths = sorted(folder.parent.iterdir())
    return next((p for p in paths if p.is_dir() and pattern.fullmatch(p.name)), None)


def _describe_misfit(folder: Path, scan: Scan) -> str:
    content = scan(folder)
    places = dict.fromkeys(layout.folder for layout in LAYOUTS if layout.folder)
    named = ", ".join([*content.folders][:5])
    parts = [
        f"folder {folder} has no images: expected are files that end in "
        f"{' '.join(sorted(SUFFIXES))}, or a folder of them called {', '.join(places)}",
        *([f"of its folders ({named}) name the one that has them"] if named else []),
        *_unread(folder, content),
    ]
    return "; ".join(parts)


def count_images(count: int) -> str:
    """Returns "1 image" or "N images"."""
    return f"{count} image" + ("s" if count != 1 else "")
