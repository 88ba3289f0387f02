"""Finds images by the name of a source, and makes LR and HR pairs of them."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from subpixel.image import modcrop
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.catalogue import FOLDER, SETS
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.contents import read_contents
from subpixel.sr.data.degradation import BICUBIC, Degradation, make_lr
from subpixel.sr.data.embedded import PHOTOGRAPHS, embedded_images
from subpixel.sr.data.given_lr import check_lr
from subpixel.sr.data.images import (
    SourceImage,
    image_size,
    read_image,
    read_orientation,
    rotate_as_stored,
    shrink_image,
    stores_one_channel,
)
from subpixel.sr.data.layouts import find_originals, set_name
from subpixel.sr.data.lr_folders import LrMatch, find_lr
from subpixel.sr.data.tfds_source import TFDS, tfds_images

EMBEDDED = "embedded:"
_log = logging.getLogger("subpixel")


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
    return (
        source
        if source.startswith((EMBEDDED, TFDS))
        else set_name(Path(source.removeprefix(FOLDER)))
    )


def find_images(
    source: str,
    root: Path | None,
    scale: int | None = None,
    degradation: Degradation = BICUBIC,
) -> list[SourceImage]:
    """Returns the images of a source in the order of their names.

    Args:
      source: "embedded:train", "embedded:test"; a named set of `subpixel.sr.data.catalogue`; what
        TFDS prepared, "tfds:NAME[:SPLIT]"; or a folder in one of the layouts of
        `subpixel.sr.data.layouts`: "folder:PATH", or the path alone, as it is or under `root`.
      root: where data sets lie, or None.
      scale: r, if the LR images of the set are wanted.
      degradation: of the LR images.

    Raises:
      InputError: if there is no such source, no image in it, or fewer than a named set has,
        an image without its LR image or the reverse, or no "unknown" LR images in the set.
    """
    if source.startswith(EMBEDDED):
        name = source.removeprefix(EMBEDDED)
        if name not in PHOTOGRAPHS:
            known = ",".join(PHOTOGRAPHS)
            raise InputError(f"unknown source {source!r}: there is embedded:{{{known}}}")
        return embedded_images(name)
    if source.startswith(TFDS):
        return tfds_images(source, root, scale, degradation.kind)
    folder = _find_folder(source, root, scale)
    contents = read_contents(folder)
    if source in SETS and len(contents.originals) < SETS[source].count:
        raise InputError(
            f"{source} is half copied: {folder} has {len(contents.originals)} of its "
            f"{SETS[source].count} images. `python -m subpixel data verify {source}` names the "
            f"others; {FOLDER}{folder} takes it as it is"
        )
    pairs, notes = _find_lr(folder, scale, degradation)
    for note in (*contents.left_out, *notes):
        _log.warning("%s: left out: %s", source, note)
    if pairs is not None:
        return [_source_image(pair.name, pair.hr, pair.lr) for pair in pairs]
    return [_source_image(name, path) for name, path in contents.originals.items()]


def _source_image(name: str, path: Path, lr: Path | None = None) -> SourceImage:
    return SourceImage(
        name,
        str(path),
        partial(read_image, path),
        partial(read_image, lr) if lr else None,
        str(lr or ""),
        (path, lr) if lr else (path,),
        is_grey=partial(stores_one_channel, path),
        orientation=partial(read_orientation, path),
    )


def _find_lr(
    folder: Path, scale: int | None, degradation: Degradation
) -> tuple[list[LrMatch] | None, list[str]]:
    if scale is None or degradation.kind == "blur":
        return None, []
    pairs, notes = find_lr(folder, scale, degradation.kind)
    if pairs is None and degradation.kind == "unknown":
        raise InputError(
            f'the degradation is "unknown", and beside {folder} there is no folder of such LR '
            f"images for x{scale}, LR_unknown/X{scale}" + "".join(f"; {note}" for note in notes)
        )
    return pairs, notes


def find_training(data: DataConfig, scale: int, root: Path | None) -> list[SourceImage]:
    """Returns the training images, including those that are held out for validation.

    Args:
      data: names the sources and the images to leave out.
      scale: r.
      root: folder of the data sets, or None.

    Raises:
      InputError: if a source is not found, no image has a name that is to be left out, or a set
        with LR images is to be shrunk.
    """
    images = [
        shrink_image(image, factor)
        for source, factor in zip(data.train, data.shrink or [1] * len(data.train), strict=True)
        for image in find_images(source, root, scale, data.degradation)
    ]
    unknown = set(data.exclude) - {image.name for image in images}
    if unknown:
        raise InputError(
            f"data.exclude names {', '.join(sorted(unknown))}, which no training image is called"
        )
    images = [image for image in images if image.name not in data.exclude]
    if not data.skip_small:
        return images
    smallest = data.patch_size * scale
    return [image for image in images if min(image_size(image)) >= smallest]


def find_benchmarks(
    sources: Sequence[str],
    root: Path | None,
    scale: int | None = None,
    degradation: Degradation = BICUBIC,
) -> dict[str, list[SourceImage]]:
    """Returns the images of several sources, each by the name of its set: see `find_images`.

    Raises:
      InputError: if a source is not found, or two have the same name.
    """
    names = [source_name(source) for source in sources]
    if len(set(names)) < len(names):
        raise InputError(
            f"two benchmarks have the same name, and scores go by it: {', '.join(sources)}"
        )
    return {
        name: find_images(source, root, scale, degradation)
        for name, source in zip(names, sources, strict=True)
    }


def _find_folder(source: str, root: Path | None, scale: int | None) -> Path:
    source = source.removeprefix(FOLDER)
    own = Path(source).expanduser()
    candidates = [own] if root is None else [root / source, own]
    for folder in candidates:
        originals = find_originals(folder, scale)
        if originals is not None:
            return originals
    path = Path(source).expanduser()
    if path.exists():
        raise InputError(f"{source} is a file, and a data set is a folder: name its folder")
    if path.is_absolute():
        raise InputError(f"the folder {source} does not exist")
    if root is not None and source in SETS:
        originals = SETS[source].folder(root, scale)
        if originals is not None:
            return originals
        raise InputError(
            f"data set {source!r} was not found under the data root, {root}: "
            "`python -m subpixel data` says how to get it"
        )
    where = (
        "SUBPIXEL_DATA and --data-root are not set: one of them says where data sets lie"
        if root is None
        else f"it is neither under the data root, {root}, nor a path from here"
    )
    raise InputError(f"data set {source!r} was not found: {where}")


def load_pair(
    image: SourceImage, scale: int, degradation: Degradation = BICUBIC
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "{scale}*h {scale}*w 3"]]:
    """Returns an LR image, from its set or made, and its original.

    Args:
      image: what to load, found for this scale and degradation.
      scale: r.
      degradation: how the LR image is made if the set has none.

    Returns:
      uint8, RGB: (h, w, 3) and (r*h, r*w, 3), the original cropped to a multiple of the scale.

    Raises:
      InputError: if a file cannot be read, or the LR image is not that of the original.
    """
    return make_pair(image, image.load(), scale, degradation)


def make_pair(
    image: SourceImage,
    hr: UInt8[np.ndarray, "hr_h hr_w 3"],
    scale: int,
    degradation: Degradation = BICUBIC,
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "{scale}*h {scale}*w 3"]]:
    """Returns the pair of `load_pair` for an image whose original, (H, W, 3), is loaded already."""
    if min(hr.shape[:2]) < scale:
        raise InputError(
            f"image {image.source} has {hr.shape[1]}x{hr.shape[0]} pixels: width and "
            f"height must be at least the scale, {scale}"
        )
    if image.load_lr is not None:
        return _check_upright_or_stored(image, image.load_lr(), hr, scale)
    hr = modcrop(hr, scale)
    return make_lr(hr, scale, degradation), hr


def _check_upright_or_stored(
    image: SourceImage, lr: np.ndarray, hr: np.ndarray, scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """Checks an LR image against the upright HR image, then against the HR image as it is stored.

    MATLAB's and older readers ignore an EXIF orientation, OpenCV applies it; LR images are made in
    both ways.
    """
    try:
        return check_lr(image, lr, hr, scale)
    except InputError as error:
        orientation = image.orientation()
        if orientation == 1:
            raise
        try:
            return check_lr(image, lr, rotate_as_stored(hr, orientation), scale)
        except InputError:
            raise InputError(
                f"{error}. The original has EXIF orientation {orientation}, and the LR image fits "
                "it neither as it is shown nor as it is stored"
            ) from error
