"""Weights to share: safetensors with the network's config in the header."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from subpixel.kernels import Layout, validate_layout
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import digest_of, write_bytes
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Params
from subpixel.sr.models.torch_files import is_safetensors
from subpixel.sr.models.trained import TrainedNetwork, check_params, named_params
from subpixel.sr.provenance import Provenance
from subpixel.sr.serialization import from_json

_LENGTH_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class StatedWeights:
    """What a JSON file states about the weights beside it.

    Attributes:
      name: the model's name.
      sha256: digest of the weights file, in hexadecimal.
      license: of the weights.
      upsampler: layout of the last kernel.
      parameters: number of them.
      model: config of the network.
    """

    name: str
    sha256: str
    license: str
    upsampler: Layout
    parameters: int
    model: ModelConfig


def save_weights(path: Path, params: Params, config: ModelConfig, upsampler: Layout) -> None:
    """Writes a network as safetensors; equal networks give equal bytes.

    The header holds what is needed to build the network: its config as JSON under "model", and
    its upsampler under "upsampler".
    """
    write_bytes(path, _weights_bytes(params, config, upsampler))


def weights_digest(network: TrainedNetwork) -> str:
    """Returns the digest of the file that `save_weights` writes of a network.

    For a released model it is the beginning of the SHA-256 that its NAME.json states.

    Example:
      >>> from subpixel.sr.models.released import load_released
      >>> digest = weights_digest(load_released("espcn_x3"))
      >>> digest.startswith("sha256:"), len(digest)
      (True, 19)
    """
    return digest_of(_weights_bytes(network.params, network.config, network.upsampler))


def _weights_bytes(params: Params, config: ModelConfig, upsampler: Layout) -> bytes:
    # safetensors writes the memory of an array as it lies.
    tensors = {name: np.asarray(array, order="C") for name, array in named_params(params).items()}
    metadata = {"model": json.dumps(_without_init(asdict(config))), "upsampler": upsampler}
    return _sort_header(save(tensors, metadata))


def _without_init(model: Any) -> Any:
    """Removes the initialisation, which is no part of a trained network."""
    if not isinstance(model, dict):
        return model
    return {key: value for key, value in model.items() if key != "upsampler_init"}


def _sort_header(content: bytes) -> bytes:
    """Sorts the keys of a safetensors header, which the library writes in random order."""
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:start])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    # The format aligns the tensors by spaces after the header.
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[start:]


def load_weights(path: Path) -> TrainedNetwork:
    """Reads what `save_weights` wrote; nothing in the file is executed.

    Raises:
      InputError: if the file is damaged, not a weights file of this project, or its tensors are
        not those of the network in its header.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        values, upsampler = json.loads(metadata["model"]), metadata["upsampler"]
        validate_layout(upsampler)
        # Files of an earlier version state how the network was initialised.
        config = from_json(_without_init(values), ModelConfig, str(path))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        with path.open("rb") as file:
            head = file.read(512)
        reason = str(error) if isinstance(error, InputError) else repr(error)
        if not is_safetensors(head):
            reason = f"it begins with {head[:24]!r}, which no safetensors file does"
        raise InputError(
            f"{path} is not a weights file of this project, or it is damaged: {reason}"
        ) from error
    params = traverse_util.unflatten_dict(tensors, sep=".")
    provenance = Provenance(name=path.resolve().stem)
    network = TrainedNetwork(str(path), provenance, config, upsampler, params)
    check_params(network, str(path))
    return network


def load_stated_weights(
    path: Path, stated: StatedWeights, source: Path, training_data: str
) -> TrainedNetwork:
    """Reads weights, and compares them with what the file beside them states.

    Raises:
      InputError: if the weights are damaged, or not those that the file states.
      OSError: if they cannot be read.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != stated.sha256:
        raise InputError(
            f"{path} is not the file that {source} describes: its SHA-256 is {digest}, that in "
            f"{source.name} {stated.sha256}"
        )
    network = load_weights(path)
    found = (network.config, network.upsampler, network.parameters)
    if found != (stated.model, stated.upsampler, stated.parameters):
        raise InputError(f"{path} holds another network than {source} states")
    provenance = Provenance(
        name=stated.name,
        version=f"sha256:{digest}",
        license=stated.license,
        training_data=training_data,
    )
    return replace(network, provenance=provenance)
