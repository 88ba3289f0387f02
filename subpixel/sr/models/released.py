"""Released models: trained networks that are part of the package and have names.

A released model NAME is three files in `subpixel/sr/released`: NAME.safetensors, the weights;
NAME.json, what is known of them (`Release`); NAME.md, the model card.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError, describe
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.models.weights import StatedWeights, load_stated_weights
from subpixel.sr.serialization import read_json, require

RELEASED = Path(__file__).parents[1] / "released"
_NAME = re.compile(r"(?P<family>[a-z0-9_]+)_x(?P<scale>[1-9][0-9]*)")


@dataclass(frozen=True, kw_only=True)
class MeanScores:
    """Mean scores on one benchmark: PSNR in dB, SSIM, and the number of images."""

    psnr: float
    ssim: float
    images: int


@dataclass(frozen=True, kw_only=True)
class Release(StatedWeights):
    """What NAME.json states about a released model, whose name is FAMILY_xSCALE, "espcn_x3".

    Attributes:
      protocol: how the scores were measured, as `Protocol.to_json` returns it.
      scores: by benchmark.
      bicubic: scores of bicubic enlargement by the same protocol.
      training_data: sources of the training images.
      experiment: the whole config of the training, as in config.json of its workdir.
      settings: of the training, as in comparison.json of its workdir.
      environment: versions and machine of the training.
    """

    protocol: dict[str, Any]
    scores: dict[str, MeanScores]
    bicubic: dict[str, MeanScores]
    training_data: tuple[str, ...]
    experiment: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]


def split_name(name: str) -> tuple[str, int]:
    """Returns family and scale of a released model's name.

    Raises:
      InputError: if the name has another form.

    Example:
      >>> split_name("espcn_x3")
      ('espcn', 3)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            "the name of a released model is FAMILY_xSCALE in lower-case letters, digits and "
            f"underscores, such as espcn_x3; got {name!r}"
        )
    return match["family"], int(match["scale"])


def released_files(name: str) -> tuple[Path, Path, Path]:
    """Returns the paths of weights, facts and card of a released model; they may be missing."""
    weights, facts, card = (
        RELEASED / f"{name}.{suffix}" for suffix in ("safetensors", "json", "md")
    )
    return weights, facts, card


def released_names() -> list[str]:
    """Returns the names of all released models, sorted."""
    return sorted(path.stem for path in RELEASED.glob("*.json"))


def released_scales(name: str) -> dict[int, str]:
    """Returns the released models that a name stands for, by scale.

    Args:
      name: of one model, "espcn_x3", or of its family, "espcn".

    Returns:
      Names of models by scale; empty if the name is neither.

    Raises:
      InputError: if a file among the released models has a name of another form.
    """
    split = {model: split_name(model) for model in released_names()}
    return {
        scale: model for model, (family, scale) in sorted(split.items()) if name in (model, family)
    }


def nearest_released(name: str) -> str:
    """Returns a sentence that names the released model whose name is nearest.

    For a name without a number it is a family of models, "espcn".
    """
    names = released_names()
    if not any(map(str.isdigit, name)):
        names = sorted({split_name(each)[0] for each in names})
    nearest = get_close_matches(name, names, n=1, cutoff=0.0)
    if not nearest:
        return "this installation has no released models"
    return f"the nearest released model is {nearest[0]} (`python -m subpixel models` lists all)"


def read_release(name: str) -> Release:
    """Returns what is known of a released model.

    Raises:
      InputError: if there is no such model, or its file is damaged or has been renamed.
    """
    _, path, _ = released_files(name)
    if name not in released_names():
        raise InputError(f"there is no released model {name!r}: {nearest_released(name)}")
    with _damage():
        release = read_json(path, Release)
        require(release.name == name, f"{path} is the file of {release.name}, renamed")
    return release


def load_released(name: str) -> TrainedNetwork:
    """Returns a released model.

    Its weights are compared with their digest, and with the network that NAME.json states.

    Raises:
      InputError: if there is no such model, or a file of it is missing, damaged or renamed.
    """
    release = read_release(name)
    path, facts, _ = released_files(name)
    with _damage():
        network = load_stated_weights(path, release, facts, ", ".join(release.training_data))
    note = f"{name} is the released model; write ./{name} for the path of that name"
    notes = (note,) if Path(name).exists() else ()
    return replace(network, name=name, notes=notes)


@contextmanager
def _damage() -> Iterator[None]:
    """Adds the remedy to the errors about a file of the package."""
    try:
        yield
    except (InputError, OSError) as error:
        message = f"released model: {describe(error)}. Install the package again"
        raise InputError(message) from error
