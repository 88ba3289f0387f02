"""Finds the folder that holds the originals of a set, in the layouts that sets are shared in.

- a plain folder of originals;
- `HR/` or `GT/` (EDSR, BasicSR), `DIV2K_train_HR/`: see `subpixel.sr.data.names`;
- a folder for each scale in it or in `HR/`: `X2/`, `x4/` (RCAN), `image_SRF_2/` (SelfExSR), `4/`
  (RealSR).

Where their LR images lie: see `subpixel.sr.data.lr_folders`.
"""

import re
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.contents import list_images, read_contents
from subpixel.sr.data.images import SUFFIXES
from subpixel.sr.data.names import parse_hr_folder, parse_lr_folder, parse_scale_folder

SPLITS = frozenset({"train", "valid", "val", "test"})


def set_name(folder: Path) -> str:
    """Returns the name of the set that a folder holds: "Set5" for Set5, Set5/HR, Set5/GTmod12.

    A split is named with its set: "BSDS500_val", "DIV2K_valid". Folders of a scale are left out.
    """
    name, parent = folder.name or folder.resolve().name, folder.parent
    if parent.name and (
        re.fullmatch(r"(image_SRF_|x)\d+", name, re.I)
        or (name.isdigit() and parent.name.lower() in SPLITS)
    ):
        return set_name(parent)
    found = parse_hr_folder(name)
    if found and found.prefix:
        return name[: len(found.prefix)].rstrip("_-")
    if found and parent.name:
        return set_name(parent) if parse_scale_folder(parent.name) else parent.name
    return f"{parent.name}_{name}" if name.lower() in SPLITS and parent.name else name


def find_originals(folder: Path, scale: int | None = None) -> Path | None:
    """Returns the folder that holds the originals of a set.

    Args:
      folder: the set's folder, that of its originals, or SET/SPLIT where SET has a folder
        X_SPLIT_HR, as in DIV2K/train.
      scale: r, where the set has a folder for each scale; None takes the smallest.

    Returns:
      The folder, or None if there is none.

    Raises:
      InputError: if the folder has no images, more than one set, LR images only, or none of the
        scale.
    """
    if not folder.is_dir():
        return _find_split(folder)
    _refuse_lr(folder)
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    originals = [path for path in inside if parse_hr_folder(path.name)]
    plain = bool(list_images(folder))
    if plain + len(originals) > 1:
        named = [str(path) for path in originals]
        raise InputError(
            f"folder {folder} holds more than one set: "
            f"{', '.join(['images of its own'] * plain + named)}; name the one that is meant, "
            f"such as {named[0]}"
        )
    if plain:
        if not read_contents(folder).originals:
            raise InputError(
                f"folder {folder} has no originals: {'; '.join(read_contents(folder).left_out)}"
            )
        return folder
    if originals and _has_images(originals[0]):
        return originals[0]
    home = originals[0] if originals else folder
    if by_scale := _scale_folders(home):
        return _choose_scale(home, by_scale, scale)
    names = [path.name for path in inside]
    raise InputError(
        f"folder {folder} has no images: it must hold files that end in "
        f"{' '.join(sorted(SUFFIXES))}"
        + (f"; of its folders ({', '.join(names[:5])}) name the one that does" if names else "")
    )


def _refuse_lr(folder: Path) -> None:
    """Raises InputError if a folder, or the one above a folder of a scale, is named as LR."""
    scale = parse_scale_folder(folder.name)
    named = folder.parent if scale else folder
    if parse_lr_folder(named.name) and not _originals_inside(folder):
        raise InputError(
            f"folder {folder} is named as a folder of LR images, which are no originals: name the "
            "folder of the originals, or rename this one if it holds them"
        )


def _originals_inside(folder: Path) -> bool:
    # A set of the name LRbicx4 may hold the folders inputs and target.
    return any(path.is_dir() and parse_hr_folder(path.name) for path in folder.iterdir())


def _has_images(folder: Path) -> bool:
    return bool(list_images(folder))


def _scale_folders(folder: Path) -> dict[int, Path]:
    """Returns the folders of single scales that hold originals, smallest scale first."""
    found: dict[int, Path] = {}
    for path in folder.iterdir():
        name = parse_scale_folder(path.name)
        if not path.is_dir() or name is None or name.scale is None or name.suffix:
            continue
        # A bare number may be any folder: it counts if originals and LR images lie in it.
        bare = path.name.isdigit()
        if _originals_inside(path) or (read_contents(path).lr if bare else _has_images(path)):
            found[name.scale] = path
    return dict(sorted(found.items()))


def _choose_scale(home: Path, folders: dict[int, Path], scale: int | None) -> Path | None:
    if scale is not None and scale not in folders:
        raise InputError(
            f"folder {home} has originals for {', '.join(f'x{r}' for r in folders)} and none for "
            f"x{scale}: name the folder whose originals are meant, such as "
            f"{next(iter(folders.values()))}"
        )
    return find_originals(folders[scale] if scale is not None else next(iter(folders.values())))


def _find_split(folder: Path) -> Path | None:
    """Returns SET/X_SPLIT_HR for SET/SPLIT, or None if there is none."""
    if not folder.parent.is_dir():
        return None
    pattern = re.compile(rf".+_{re.escape(folder.name)}_HR", re.IGNORECASE)
    paths = sorted(folder.parent.iterdir())
    return next((p for p in paths if p.is_dir() and pattern.fullmatch(p.name)), None)
