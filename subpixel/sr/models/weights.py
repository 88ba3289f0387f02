"""Weights to share: safetensors with the network's config in the header."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cattrs
import jax
import numpy as np
from flax import traverse_util
from jax.tree_util import keystr
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from subpixel.kernels import Layout, validate_layout
from subpixel.sr.errors import InputError
from subpixel.sr.files import write_bytes
from subpixel.sr.models import ModelConfig


def save_weights(path: Path, params: Any, config: ModelConfig, upsampler: Layout) -> None:
    """Writes a network as safetensors, with what is needed to build it in the header.

    Args:
      path: the file.
      params: a nested dict of arrays.
      config: of the network.
      upsampler: how its last layer is spelled.
    """
    leaves, _ = jax.tree.flatten_with_path(params)
    tensors = {keystr(path, simple=True, separator="."): np.asarray(x) for path, x in leaves}
    metadata = {"model": json.dumps(asdict(config)), "upsampler": upsampler}
    write_bytes(path, save(tensors, metadata))


def load_weights(path: Path) -> tuple[ModelConfig, Layout, Any]:
    """Reads what `save_weights` wrote; nothing in the file is executed.

    Returns:
      The network's config, its upsampler and its parameters.

    Raises:
      InputError: if the file is damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        converter = cattrs.Converter(forbid_extra_keys=True)
        config = converter.structure(json.loads(metadata["model"]), ModelConfig)
        upsampler = metadata["upsampler"]
        validate_layout(upsampler)
    except (SafetensorError, OSError, KeyError, ValueError, cattrs.BaseValidationError) as error:
        raise InputError(
            f"{path} is not a weights file of this project, or it is damaged: {error!r}"
        ) from error
    return config, upsampler, traverse_util.unflatten_dict(tensors, sep=".")
