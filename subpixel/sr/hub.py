"""Networks on the Hugging Face Hub, as folders in its layout.

A folder holds model.safetensors, from whose header the network is built; config.json (`HubConfig`),
the file whose downloads the Hub counts; and README.md, the model card.

Reference: the Hub's documentation, "Models download stats" and "Model cards".
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import make_folder, write_json, write_text
from subpixel.sr._support.packages import require_package
from subpixel.sr.models.released import read_release, released_files, released_names
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.models.weights import (
    StatedWeights,
    load_stated_weights,
    load_weights,
    save_weights,
)
from subpixel.sr.provenance import UNKNOWN
from subpixel.sr.serialization import read_json, to_json

PREFIX = "hf://"
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_NAME = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class HubConfig(StatedWeights):
    """What config.json states about a network.

    Attributes:
      training_data: sources of the training images.
      library_name: the library that reads the folder.
    """

    training_data: str
    library_name: Literal["subpixel"] = "subpixel"


def is_hub_folder(path: Path) -> bool:
    """Whether a folder has the layout of the Hub."""
    return (path / WEIGHTS).is_file()


def download(name: str) -> Path:
    """Returns the folder of a model in the Hub's cache, after a download where files are missing.

    Args:
      name: "hf://OWNER/NAME" or "hf://OWNER/NAME@REVISION"; a revision is a branch, tag or commit.

    Raises:
      InputError: if the name has another form, huggingface_hub is not installed, or the Hub does
        not give the files.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"a model of the Hugging Face Hub is {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME@REVISION;"
            f" got {name!r}"
        )
    hub = require_package("huggingface_hub", name, "hub")
    errors = require_package("huggingface_hub.errors", name, "hub")
    try:
        folder = hub.snapshot_download(
            match["repository"], revision=match["revision"], allow_patterns=[WEIGHTS, CONFIG]
        )
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"the Hub has no model {match['repository']}, or it is private: see `hf auth login`"
        ) from error
    except (errors.HTTPError, OSError, ValueError) as error:
        raise InputError(f"{name} cannot be downloaded: {' '.join(str(error).split())}") from error
    if not is_hub_folder(Path(folder)):
        raise InputError(
            f"{name} has no {WEIGHTS}: it must be a model of `python -m subpixel models hub`"
        )
    return Path(folder)


def load_hub_folder(folder: Path) -> TrainedNetwork:
    """Returns the network of a folder in the Hub's layout.

    Raises:
      InputError: if a file is missing or damaged, or config.json states other weights.
    """
    stated = read_json(folder / CONFIG, HubConfig)
    try:
        network = load_stated_weights(
            folder / WEIGHTS, stated, folder / CONFIG, stated.training_data
        )
    except OSError as error:
        raise InputError(f"{folder / WEIGHTS} cannot be read: {error}") from error
    return replace(network, name=str(folder))


def save_hub_folder(network: TrainedNetwork, folder: Path) -> None:
    """Writes a network as a folder in the Hub's layout, which `hf upload` publishes.

    Raises:
      InputError: if the folder exists and is not empty, or cannot be written.
    """
    make_folder(folder)
    if any(folder.iterdir()):
        raise InputError(f"the folder {folder} is not empty: name a new one")
    save_weights(folder / WEIGHTS, network.params, network.config, network.upsampler)
    # Read again, because the file leaves out how the network was initialised.
    saved = load_weights(folder / WEIGHTS)
    stated = HubConfig(
        name=network.provenance.name,
        sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        license=network.provenance.license,
        training_data=network.provenance.training_data,
        parameters=saved.parameters,
        upsampler=saved.upsampler,
        model=saved.config,
    )
    write_json(folder / CONFIG, to_json(stated))
    write_text(folder / CARD, _card(stated))


def _card(stated: HubConfig) -> str:
    """Returns the model card: the Hub's fields in YAML, then the text."""
    known = []
    if stated.license != UNKNOWN:
        known.append(f"license: {json.dumps(stated.license.lower())}")
    fields = ["library_name: subpixel", *known, "pipeline_tag: image-to-image"]
    head = "\n".join(["---", *fields, "tags: [super-resolution, jax, flax]", "---", "", ""])
    if stated.name in released_names() and read_release(stated.name).sha256 == stated.sha256:
        return head + released_files(stated.name)[2].read_text(encoding="utf-8")
    return head + (
        f"# {stated.name}\n\nEnlarges images {stated.model.scale} times. Network "
        f"`{stated.model.network}`, {stated.parameters:,} parameters. Training data: "
        f'{stated.training_data}.\n\n```python\nimport subpixel.sr\n\nnetwork = subpixel.sr.load("'
        'hf://OWNER/NAME")  # this repository\n```\n'
    )
