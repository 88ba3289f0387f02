"""The training set of an experiment: found, decoded, compared with the benchmarks, and split."""

import json
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.held_out import (
    choose_by_content,
    choose_by_position,
    split_images,
)
from subpixel.sr.data.leak import check_no_leak, shorten
from subpixel.sr.data.pairs import Pair, describe_lr, find_benchmarks, find_training
from subpixel.sr.data.patches import PixelPairs
from subpixel.sr.data.preparation import prepare
from subpixel.sr.serialization import structure

RECORD = "images.json"


class ScaleAndChannels(Protocol):
    """What the training set depends on of a model's config."""

    @property
    def scale(self) -> int: ...

    @property
    def channels(self) -> int: ...


@dataclass(frozen=True)
class RecordedImage:
    """An image of a training set, as a workdir records it, with the SHA-256 of its pixels."""

    name: str
    digest: str
    validation: bool


@dataclass(frozen=True)
class TrainingSet:
    """The images of a training.

    Attributes:
      benchmarks: images to measure on, by the name of their set.
      lr: where the LR images of the training come from.
      notes: one sentence each about images that occur more than once, or look like held-out ones.
      leak: the training images that are in a benchmark or look like one of it; "" if none is.
      images: all of them, for the workdir.
    """

    pairs: PixelPairs
    validation: PixelPairs
    benchmarks: dict[str, list[Pair]]
    lr: str
    notes: tuple[str, ...]
    leak: str
    images: tuple[RecordedImage, ...]

    def record(self, workdir: Path) -> None:
        """Writes which images there are, so that a resume can compare them.

        Raises:
          OSError: if the file cannot be written.
        """
        path = workdir / RECORD
        if not path.exists():
            write_json(path, {"images": [vars(image) for image in self.images]})

    def to_json(self) -> dict[str, Any]:
        """Returns the facts for the settings of comparison.json."""
        return {
            "training_images": len(self.pairs),
            "validation_images": len(self.validation),
            "training_lr": self.lr,
            **({"duplicates": " ".join(self.notes)} if self.notes else {}),
            **({"leak": self.leak} if self.leak else {}),
        }


def load_training_set(
    model: ScaleAndChannels,
    data: DataConfig,
    root: Path | None,
    *,
    benchmarks: Mapping[str, Sequence[Pair]] | None = None,
    leave_out: Container[str] = (),
    workdir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingSet:
    """Finds, decodes, checks and splits the images of an experiment.

    Args:
      model: the scale and the channels.
      data, root: the sources and the choices; the folder of the data sets.
      benchmarks: images that none of the training images may be, if not those of `data`.
      leave_out: paths or addresses of images that are not trained on, besides `data.exclude`.
      workdir: of the training; if it was trained in before, its images must be the same.
      progress: called with the number of images done and that of all.

    Raises:
      InputError: if a source is not found, images cannot be used (all are named), an image of a
        benchmark is among them, too few are left to train on, or the workdir was made with others.
      OSError: if the cache cannot be written.
    """
    if benchmarks is None:
        benchmarks = find_benchmarks(data.benchmarks, root, model.scale, data.degradation)
    pairs = [p for p in find_training(data, model.scale, root) if p.hr.source not in leave_out]
    if data.validation_images >= len(pairs):
        raise InputError(
            f"data.validation_images is {data.validation_images}, but there are only {len(pairs)} "
            "training images: at least one must be left to train on"
        )
    prepared = prepare(
        pairs,
        model.scale,
        model.channels,
        data.degradation,
        progress=progress,
        min_size=data.patch_size,
    )
    known = prepared.fingerprints
    measured = [pair for images in benchmarks.values() for pair in images]
    leak = check_no_leak(pairs, measured, known, data.on_leak)
    held_out = _held_out(pairs, [k.digest for k in known], data.validation_images, workdir)
    train, notes = split_images(pairs, known, held_out)
    return TrainingSet(
        [prepared.pairs[i] for i in train],
        [prepared.pairs[i] for i in held_out],
        {name: list(images) for name, images in benchmarks.items()},
        describe_lr(pairs, data.degradation),
        notes,
        leak,
        tuple(
            RecordedImage(pair.name, fingerprint.digest, i in held_out)
            for i, (pair, fingerprint) in enumerate(zip(pairs, known, strict=True))
        ),
    )


def _held_out(
    pairs: Sequence[Pair], digests: Sequence[str], count: int, workdir: Path | None
) -> list[int]:
    # Asked first: another process may begin the training meanwhile, and writes the record before.
    trained = workdir is not None and (workdir / "checkpoints").is_dir()
    recorded = _read_record(workdir / RECORD) if workdir else None
    if recorded is None:
        # Versions without the record chose by position, and their trainings resume so.
        return (choose_by_position if trained else choose_by_content)(digests, count)
    changes = _differences(recorded, [(p.name, d) for p, d in zip(pairs, digests, strict=True)])
    if changes:
        raise InputError(
            f"workdir {workdir} was trained on other images: {'; '.join(changes)}. To go on with "
            "the old set, move new images away and put the missing and the old ones back; to "
            "train on the present set, start anew with another --workdir"
        )
    chosen = {image.digest for image in recorded if image.validation}
    return sorted({digest: i for i, digest in enumerate(digests) if digest in chosen}.values())


def _differences(
    recorded: Sequence[RecordedImage], present: Sequence[tuple[str, str]]
) -> list[str]:
    before = Counter((image.name, image.digest) for image in recorded)
    now = Counter(present)
    lost, new = (before - now), (now - before)
    names_lost, names_new = ({name for name, _ in images} for images in (lost, new))
    return [
        f"{len(names)} {what} ({shorten(sorted(names))})"
        for what, names in (
            ("new", names_new - names_lost),
            ("missing", names_lost - names_new),
            ("with other pixels", names_new & names_lost),
        )
        if names
    ]


def _read_record(path: Path) -> list[RecordedImage] | None:
    try:
        return structure(json.loads(path.read_bytes())["images"], list[RecordedImage])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read: {error!r}. Put back a copy of it, or give another --workdir"
        ) from error
