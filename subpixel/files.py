"""Files that are written whole or not at all, and weights to share."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
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

from subpixel.config import ModelConfig
from subpixel.errors import InputError
from subpixel.kernels import Spelling, validate_spelling


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file beside its place and moves it there: nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file in an error of the system that names none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json(path: Path, values: Any) -> None:
    """Writes indented JSON, whole or not at all."""
    write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def save_weights(path: Path, params: Any, config: ModelConfig, upsampler: Spelling) -> None:
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


def load_weights(path: Path) -> tuple[ModelConfig, Spelling, Any]:
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
        validate_spelling(upsampler)
    except (SafetensorError, OSError, KeyError, ValueError, cattrs.BaseValidationError) as error:
        raise InputError(
            f"{path} is not a weights file of this project, or it is damaged: {error!r}"
        ) from error
    return config, upsampler, traverse_util.unflatten_dict(tensors, sep=".")
