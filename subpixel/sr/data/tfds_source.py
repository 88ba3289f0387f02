"""Reads sets that TensorFlow Datasets prepared, without TensorFlow: "tfds:NAME[:SPLIT]"."""

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.packages import require_package
from subpixel.sr.data.images import ImageSource

TFDS = "tfds:"
INFO = "dataset_info.json"


def tfds_images(source: str, root: Path | None) -> list[ImageSource]:
    """Returns the originals of a prepared set, its feature "hr" or "image", in its order.

    Args:
      source: "tfds:NAME" or "tfds:NAME:SPLIT", such as "tfds:div2k/bicubic_x4:train"; SPLIT is any
        that TFDS understands, by default "train".
      root: the data root, whose folder tensorflow_datasets is searched before TFDS's own.

    Raises:
      InputError: if TFDS is not installed, the set is not prepared, or has no such images.
    """
    name, _, split = source.removeprefix(TFDS).partition(":")
    builder = _open(name, root)
    features = builder.info.features
    key = next((key for key in ("hr", "image") if key in features), None)
    if key is None:
        raise InputError(f"{source} has no feature 'hr' or 'image': it has {', '.join(features)}")
    try:
        instructions = builder.info.splits[split or "train"].file_instructions
    except (KeyError, ValueError) as error:
        splits = ", ".join(builder.info.splits)
        raise InputError(f"{source} has no split {split!r}: there are {splits}") from error
    records = _records(builder, split or "train", source)
    files = tuple(Path(instruction.filename) for instruction in instructions)

    def content(index: int) -> bytes:
        return records[index][key]  # a record is read when it is used

    return [
        ImageSource(f"{source} {index}", partial(content, index), files)
        for index in range(len(records))
    ]


def _open(name: str, root: Path | None) -> Any:
    tfds = require_package("tensorflow_datasets", f"{TFDS}{name}", "tfds")
    own = [root / "tensorflow_datasets"] if root else []
    homes = [*own, Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()]
    for home in homes:
        versions = [path.parent for path in (home / name).glob(f"*/{INFO}")] if name else []
        if versions:
            newest = max(versions, key=lambda path: [*map(int, re.findall(r"\d+", path.name))])
            return tfds.builder_from_directory(newest)
    there = sorted(
        str(path.parent.parent.relative_to(home)) for home in homes for path in home.rglob(INFO)
    )
    raise InputError(
        f"TFDS has prepared no set {name!r} in {' or '.join(map(str, homes))}; there are: "
        f"{', '.join(there) or 'none'}. docs/data.md says how to prepare one"
    )


def _records(builder: Any, split: str, source: str) -> Any:
    import tensorflow_datasets as tfds

    features = builder.info.features
    skip = {key: tfds.decode.SkipDecoding() for key in ("hr", "lr", "image") if key in features}
    try:
        return builder.as_data_source(split=split, decoders=skip)
    except NotImplementedError as error:
        raise InputError(
            f"{source} is prepared as {builder.info.file_format.value}, which only TensorFlow "
            "reads: prepare it with file_format='array_record'"
        ) from error
