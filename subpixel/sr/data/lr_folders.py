"""Finds the LR images of a set's originals and matches them by name.

LR images lie in the folder of the originals, or in a folder beside or in it whose name says so:

- `LR_bicubic/X2/NAMEx2.png` (EDSR), `LRbicx2/` (BasicSR), `LR/X2/`, `LR/` or `LQ/` alone;
- `DIV2K_train_LR_bicubic/X2/0001x2.png`, `DIV2K_train_LR_mild/0001x4m.png`, also with `_sub`;
- `LR/LRBI/Set5/x2/baby_LRBI_x2.png` beside `HR/Set5/x2/baby_HR_x2.png` (RCAN);
- `LR/x4/` beside `HR/x4/`.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.contents import (
    LrFile,
    count_images,
    images_below,
    list_images,
    read_contents,
    stem,
)
from subpixel.sr.data.lookalikes import lookalike_notes
from subpixel.sr.data.names import (
    FolderName,
    normalise_kind,
    parse_hr_folder,
    parse_lr_folder,
    parse_name,
    parse_scale_folder,
)

# Parent folders of the originals among which one named HR or GT is looked for.
_ABOVE = 3
# Degradations that folders below one named LR are called after.
KINDS = frozenset({"bicubic", "unknown", "mild", "difficult", "wild"})


@dataclass(frozen=True)
class LrFolder:
    """A folder of LR images.

    Attributes:
      path: the folder.
      kind: the degradation that its name states, or "".
      scale: the scale that its name or those of its files state, or None.
      understood: whether its place says to which originals it belongs.
    """

    path: Path
    kind: str
    scale: int | None
    understood: bool = True


@dataclass(frozen=True)
class LrMatch:
    """An original and its LR image, `name` being the name of the pair."""

    name: str
    hr: Path
    lr: Path


def find_lr(originals: Path, scale: int, kind: str) -> tuple[list[LrMatch] | None, list[str]]:
    """Pairs the originals of a folder with the LR images that their set has.

    Args:
      originals: the folder of the originals.
      scale: r.
      kind: the degradation: "bicubic" takes LR images named so or without a degradation, "unknown"
        every other.

    Returns:
      The pairs, or None if the set has no such LR images; and one sentence for each unused
      folder that seems to hold LR images for this scale.

    Raises:
      InputError: if an image is in only one of the folders or twice, or several folders fit.
    """
    contents = read_contents(originals)
    inside = [file for file in contents.lr if file.scale in (None, scale)]
    folders = lr_folders(originals)
    chosen = None if inside else _choose(folders, scale, kind)
    notes = [
        _unused(folder, kind)
        for folder in folders
        if folder.scale in (None, scale)
        and (not folder.understood or (chosen is None and not inside))
    ]
    notes += lookalike_notes(originals, contents.originals, [folder.path for folder in folders])
    if inside:
        return _match_inside(contents.originals, inside, originals), notes
    if chosen is None:
        return None, notes
    return match_lr(contents.originals, chosen.path, scale), notes


def lr_folders(originals: Path) -> list[LrFolder]:
    """Returns the folders that seem to hold LR images of these originals."""
    found: dict[Path, LrFolder] = {}
    for place in _candidates(originals):
        for path in (place.folder, *(below for below, _ in images_below(place.folder))):
            images = list_images(path)
            entry = _describe(place, path, list(images)) if images else None
            if entry is not None:
                found.setdefault(path, entry)
    return list(found.values())


def stated_scales(folder: LrFolder) -> list[int | None]:
    """Returns the scales of a folder's LR images: that of the folder, or those of its files."""
    if folder.scale is not None:
        return [folder.scale]
    stated = {parse_name(name).scale or 1 for name in list_images(folder.path)} - {1}
    return [*sorted(stated)] or [None]


def match_lr(originals: dict[str, Path], lr: Path, scale: int | None) -> list[LrMatch]:
    """Pairs originals with the files of a folder of LR images by name.

    Args:
      originals: files by image name.
      lr: the folder of LR images.
      scale: r: where the folder holds several scales, files of the others are passed over.

    Raises:
      InputError: naming it, if an image is in only one of the two, or twice.
    """
    pairs: dict[str, LrMatch] = {}
    files = {path: parse_name(stem(path)) for path in list_images(lr).values()}
    # DRealSR's LR images state the scale 1.
    fits = [p for p, n in files.items() if n.scale in (None, 1, scale) or stem(p) in originals]
    for path in fits or files:
        name = _original_of(path, originals)
        if name is None:
            raise InputError(_unmatched(path, next(iter(originals.values())).parent))
        variant = "" if stem(path) in originals else files[path].variant
        _add(pairs, LrMatch(name + variant, originals[name], path))
    return _complete(originals, pairs, lr)


def _original_of(path: Path, originals: dict[str, Path]) -> str | None:
    """Returns the name of the original of an LR image, or None.

    Raises:
      InputError: if several originals have that name.
    """
    whole = unicodedata.normalize("NFC", path.name)
    base = parse_name(stem(path)).base
    for name in (whole, stem(path), base):
        if name in originals:
            return name
    for key in (stem, lambda original: parse_name(stem(original)).base):
        found = [name for name, original in originals.items() if key(original) == base]
        if len(found) > 1:
            paths = " and ".join(str(originals[name]) for name in found[:2])
            raise InputError(
                f"two images have the same name, and the LR image {path} fits both: {paths}; "
                "rename one or remove it"
            )
        if found:
            return found[0]
    return None


def _match_inside(
    originals: dict[str, Path], files: Sequence[LrFile], folder: Path
) -> list[LrMatch]:
    pairs: dict[str, LrMatch] = {}
    for file in files:
        hr = originals[file.original]
        _add(pairs, LrMatch(file.original + file.variant, hr, file.path))
    return _complete(originals, pairs, folder)


def _add(pairs: dict[str, LrMatch], pair: LrMatch) -> None:
    if pair.name in pairs:
        raise InputError(
            f"two files are the LR image of {pair.hr}: {pairs[pair.name].lr} and {pair.lr}; "
            "remove one"
        )
    pairs[pair.name] = pair


def _complete(originals: dict[str, Path], pairs: dict[str, LrMatch], folder: Path) -> list[LrMatch]:
    matched = {pair.hr for pair in pairs.values()}
    missing = [path for path in originals.values() if path not in matched]
    if missing:
        raise InputError(_unmatched(missing[0], folder, len(missing) - 1))
    return sorted(pairs.values(), key=lambda pair: pair.name)


def _unmatched(path: Path, folder: Path, more: int = 0) -> str:
    return (
        f"image {path} has no counterpart in {folder}"
        + (f", and {more} more have none" if more else "")
        + ": complete the copy, or remove it"
    )


@dataclass(frozen=True)
class _Place:
    """A folder named as LR, and where its originals lie."""

    folder: Path
    name: FolderName
    tail: tuple[str, ...] = ()
    suffix: str = ""


def _candidates(originals: Path) -> Iterator[_Place]:
    """Yields the folders named as LR: beside the one named as HR, or else in the originals'."""
    anchors = [originals, *originals.parents][: _ABOVE + 1]
    anchor = next((folder for folder in anchors if parse_hr_folder(folder.name)), None)
    if anchor != originals:
        yield from (_Place(path, name) for path, name in _named_lr(originals) if not name.prefix)
        beside = (f"{originals.name.lower()}_", f"{originals.name.lower()}-")
        for path, name in _named_lr(originals.parent):
            if name.prefix in beside:
                yield _Place(path, name)
    hr = anchor and parse_hr_folder(anchor.name)
    if anchor is None or hr is None:
        return
    for path, name in _named_lr(anchor.parent):
        if name.prefix == hr.prefix:
            yield _Place(path, name, originals.relative_to(anchor).parts, hr.suffix)


def _named_lr(parent: Path) -> Iterator[tuple[Path, FolderName]]:
    for path in sorted(parent.iterdir()) if parent.is_dir() else ():
        name = parse_lr_folder(path.name)
        if name is not None and path.is_dir():
            yield path, name


def _describe(place: _Place, path: Path, images: list[str]) -> LrFolder | None:
    """Reads degradation and scale from the path of LR images; None if they are of another set."""
    kind, scale, suffix = place.name.kind, place.name.scale, place.name.suffix
    rest = []
    for part in path.relative_to(place.folder).parts:
        as_scale, as_lr = parse_scale_folder(part), parse_lr_folder(part)
        if as_scale is not None:
            scale, suffix = as_scale.scale, as_scale.suffix or suffix
        elif as_lr is not None:
            kind, scale = as_lr.kind or kind, as_lr.scale or scale
        elif normalise_kind(part) in KINDS:
            kind = normalise_kind(part)
        else:
            rest.append(part.lower())
    wanted = [part.lower() for part in place.tail if parse_scale_folder(part) is None]
    if suffix != place.suffix or (wanted and rest != wanted):
        return None
    if scale is None:
        stated = {parse_name(image).scale for image in images}
        scale = stated.pop() if len(stated) == 1 else None
        scale = None if scale == 1 else scale
    return LrFolder(path, kind, scale, understood=rest == wanted)


def _choose(folders: list[LrFolder], scale: int, kind: str) -> LrFolder | None:
    fits = [f for f in folders if f.understood and f.scale in (None, scale)]
    named = [f for f in fits if f.kind == kind]
    unnamed = [f for f in fits if f.kind == ""]
    others = [f for f in fits if kind == "unknown" and f.kind not in ("", "bicubic", "unknown")]
    for group in (named, unnamed, others):
        exact = [f for f in group if f.scale == scale] or group
        if len(exact) > 1:
            raise InputError(
                f"{len(exact)} folders hold LR images for x{scale}: "
                f"{', '.join(str(f.path) for f in exact)}; move away all but the one that is meant"
            )
        if exact:
            return exact[0]
    return None


def _unused(folder: LrFolder, kind: str) -> str:
    images = count_images(len(list_images(folder.path)))
    if not folder.understood:
        return (
            f"{images} in {folder.path} look like LR images, but their folder names neither a "
            "scale nor a degradation that is known, and they are not used"
        )
    return (
        f"{images} in {folder.path} are LR images of another degradation"
        f"{f' ({folder.kind})' if folder.kind else ''} and are not used"
        + ('; the degradation "unknown" takes the LR images of a set' if kind != "unknown" else "")
    )
