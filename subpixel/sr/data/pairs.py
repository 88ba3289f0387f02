"""Finds the images of a source, and makes pairs of LR and HR images of them."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from subpixel.image import modcrop
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import FOLDER, SETS
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import BICUBIC, Degradation, make_lr
from subpixel.sr.data.embedded import PHOTOGRAPHS, embedded_images
from subpixel.sr.data.folders import Originals, find_lr, find_originals
from subpixel.sr.data.given_lr import check_lr
from subpixel.sr.data.images import ImageSource
from subpixel.sr.data.templates import set_name
from subpixel.sr.data.tfds_source import TFDS, tfds_images

EMBEDDED = "embedded:"
_log = logging.getLogger("subpixel")


@dataclass(frozen=True)
class Pair:
    """An original and the LR image that its set has for the wanted scale; None if it is made."""

    name: str
    hr: ImageSource
    lr: ImageSource | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of both."""
        return self.hr.files + (self.lr.files if self.lr else ())


def data_root(given: Path | None) -> Path | None:
    """Returns the folder of the data sets: `given`, or the environment variable SUBPIXEL_DATA."""
    if given is None and os.environ.get("SUBPIXEL_DATA"):
        given = Path(os.environ["SUBPIXEL_DATA"])
    if given is not None and not given.is_dir():
        raise InputError(
            f"the data root {given} is not a folder: set SUBPIXEL_DATA or --data-root to one"
        )
    return given


def source_name(source: str) -> str:
    """Returns the name under which a source's results appear: that of the set."""
    if source.startswith((EMBEDDED, TFDS)):
        return source
    return set_name(Path(source.removeprefix(FOLDER)))


def find_pairs(
    source: str,
    root: Path | None,
    scale: int | None = None,
    degradation: Degradation = BICUBIC,
    *,
    lr: str = "",
    lr_name: str = "{name}",
) -> list[Pair]:
    """Returns the images of a source in the order of their names.

    Args:
      source: "embedded:train", "embedded:test"; a named set of `subpixel.sr.data.catalogue`; what
        TFDS prepared, "tfds:NAME[:SPLIT]"; or a folder in one of the layouts of
        `subpixel.sr.data.templates`: "folder:PATH", or the path alone, as it is or under `root`.
      root: where data sets lie, or None.
      scale: r, if the LR images of the set are wanted.
      degradation: of the LR images.
      lr: where the LR images of the set lie, if not where its layout has them: see `DataConfig`.
      lr_name: how they are called.

    Raises:
      InputError: if there is no such source, no image in it, or fewer than a named set has,
        an image without its LR image or the reverse, or no "unknown" LR images in the set.
    """
    if lr and source.startswith((EMBEDDED, TFDS)):
        raise InputError(f"data.lr is for folders, and {source} is none: leave it out")
    if source.startswith(EMBEDDED):
        name = source.removeprefix(EMBEDDED)
        if name not in PHOTOGRAPHS:
            known = ",".join(PHOTOGRAPHS)
            raise InputError(f"unknown source {source!r}: there is embedded:{{{known}}}")
        return [Pair(name, image) for name, image in embedded_images(name).items()]
    if source.startswith(TFDS):
        return [Pair(f"{i:05}", image) for i, image in enumerate(tfds_images(source, root))]
    originals = _find_folder(source, root, scale)
    if source in SETS and len(originals.files) < SETS[source].count:
        raise InputError(
            f"{source} is half copied: {originals.folder} has {len(originals.files)} of its "
            f"{SETS[source].count} images. `python -m subpixel data verify {source}` names the "
            f"others; {FOLDER}{originals.folder} takes it as it is"
        )
    for note in originals.left_out:
        _log.warning("%s: left out: %s", source, note)
    given: dict[str, Path] | None = None
    if scale is not None and degradation.kind != "blur":
        given = find_lr(originals, scale, degradation.kind, lr, lr_name)
        if given is None and degradation.kind == "unknown":
            raise InputError(
                f'the degradation is "unknown", and beside {originals.folder} there is no folder '
                f"of such LR images for x{scale}, LR_unknown/X{scale}: data.lr names any other"
            )
    return [
        Pair(
            name, ImageSource.from_file(path), ImageSource.from_file(given[name]) if given else None
        )
        for name, path in originals.files.items()
    ]


def find_training(data: DataConfig, scale: int, root: Path | None) -> list[Pair]:
    """Returns the training images, including those that are held out for validation.

    Raises:
      InputError: if a source is not found, no image has a name that is to be left out, or a set
        with LR images is to be shrunk.
    """
    pairs = []
    for source, factor in zip(data.train, data.shrink or [1] * len(data.train), strict=True):
        found = find_pairs(source, root, scale, data.degradation, lr=data.lr, lr_name=data.lr_name)
        given = next((pair for pair in found if pair.lr is not None), None)
        if factor != 1 and given is not None and given.lr is not None:
            raise InputError(
                f"data.shrink is {factor} for {given.hr.source}, whose set contains the LR image "
                f"{given.lr.source}: set it to 1, or name a folder without LR images"
            )
        pairs += [replace(pair, hr=replace(pair.hr, shrink=factor)) for pair in found]
    unknown = set(data.exclude) - {pair.name for pair in pairs}
    if unknown:
        raise InputError(
            f"data.exclude names {', '.join(sorted(unknown))}, which no training image is called"
        )
    pairs = [pair for pair in pairs if pair.name not in data.exclude]
    if not data.skip_small:
        return pairs
    smallest = data.patch_size * scale
    return [pair for pair in pairs if min(pair.hr.size()) >= smallest]


def find_benchmarks(
    sources: Sequence[str],
    root: Path | None,
    scale: int | None = None,
    degradation: Degradation = BICUBIC,
) -> dict[str, list[Pair]]:
    """Returns the images of several sources, each by the name of its set: see `find_pairs`.

    Raises:
      InputError: if a source is not found, or two have the same name.
    """
    names = [source_name(source) for source in sources]
    if len(set(names)) < len(names):
        raise InputError(
            f"two benchmarks have the same name, and scores go by it: {', '.join(sources)}"
        )
    return {
        name: find_pairs(source, root, scale, degradation)
        for name, source in zip(names, sources, strict=True)
    }


def _find_folder(source: str, root: Path | None, scale: int | None) -> Originals:
    source_path = source.removeprefix(FOLDER)
    own = Path(source_path).expanduser()
    for folder in [own] if root is None else [root / source_path, own]:
        originals = find_originals(folder, scale)
        if originals is not None:
            return originals
    if own.exists():
        raise InputError(f"{source_path} is a file, and a data set is a folder: name its folder")
    if own.is_absolute():
        raise InputError(f"the folder {source_path} does not exist")
    if root is not None and source_path in SETS:
        originals = SETS[source_path].find(root, scale)
        if originals is not None:
            return originals
        raise InputError(
            f"data set {source_path!r} was not found under the data root, {root}: "
            "`python -m subpixel data` says how to get it"
        )
    where = (
        "SUBPIXEL_DATA and --data-root are not set: one of them says where data sets lie"
        if root is None
        else f"it is neither under the data root, {root}, nor a path from here"
    )
    raise InputError(f"data set {source_path!r} was not found: {where}")


def load_pair(
    pair: Pair,
    scale: int,
    degradation: Degradation = BICUBIC,
    hr: UInt8[np.ndarray, "hr_h hr_w 3"] | None = None,
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "{scale}*h {scale}*w 3"]]:
    """Returns an LR image, from its set or made, and its original.

    The pair was found for this scale and degradation; `hr` is the original if that is loaded
    already.

    Returns:
      uint8, RGB: (h, w, 3) and (r*h, r*w, 3), the original cropped to a multiple of the scale.

    Raises:
      InputError: if a file cannot be read, or the LR image is not that of the original.
    """
    hr = pair.hr.load() if hr is None else hr
    if min(hr.shape[:2]) < scale:
        raise InputError(
            f"image {pair.hr.source} has {hr.shape[1]}x{hr.shape[0]} pixels: width and "
            f"height must be at least the scale, {scale}"
        )
    if pair.lr is not None:
        return check_lr(pair.hr, pair.lr, hr, scale)
    hr = modcrop(hr, scale)
    return make_lr(hr, scale, degradation), hr


def describe_lr(pairs: Sequence[Pair], degradation: Degradation = BICUBIC) -> str:
    """Returns where the LR images come from, for records: from files, made, or both."""
    given = sum(pair.lr is not None for pair in pairs)
    made = f"made by {degradation.describe()}"
    if not given:
        return made
    files = "from the files of the set"
    return files if given == len(pairs) else f"{given} {files}, {len(pairs) - given} {made}"
