"""PyTorch checkpoints that this project exported, read back."""

import json
from typing import Any

import jax
import numpy as np
from flax import nnx

from subpixel.kernels import Layout, validate_layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.export.torch_module import StateDict, torch_module
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.torch_files import Checkpoint
from subpixel.sr.serialization import from_json

# Beside the state dict, under this name, an exported checkpoint states its metadata as JSON.
METADATA = "subpixel"


def exported_network(checkpoint: Checkpoint, source: str) -> tuple[ModelConfig, Layout, Any] | None:
    """Returns the network of a checkpoint that this project exported, exactly as it was.

    Args:
      checkpoint: the content of a .pth file.
      source: the file, for messages.

    Returns:
      The network's config, its upsampler and its parameters; None if the checkpoint does not state
      a config of ours.

    Raises:
      InputError: if its metadata is damaged, or its tensors are not those of its config.
    """
    if METADATA not in checkpoint.texts:
        return None
    try:
        metadata = json.loads(checkpoint.texts[METADATA])
        config, layout = json.loads(metadata["model"]), metadata["layout"]
        validate_layout(layout)
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"the metadata of {source} cannot be read: {error!r}") from None
    config = from_json(config, ModelConfig, source)
    return config, layout, _params_of(config, layout, checkpoint.tensors, source)


def _params_of(config: ModelConfig, layout: Layout, tensors: StateDict, source: str) -> Any:
    """Returns the parameters that belong to a state dict.

    A state dict only rearranges the parameters. A network whose parameters are 0, 1, 2, ...
    therefore shows the position of each parameter in the state dict.
    """
    graph, state = nnx.split(config.build(layout, seed=0))
    leaves, structure = jax.tree.flatten(nnx.to_pure_dict(state))
    sizes = [leaf.size for leaf in leaves]
    total = sum(sizes)
    if total >= 2**24:
        raise InputError(f"{source} has {total} parameters: float32 numbers them up to {2**24}")
    parts = np.split(np.arange(total, dtype=np.float32), np.cumsum(sizes)[:-1])
    numbered = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    network = nnx.merge(graph, jax.tree.unflatten(structure, numbered))
    expected, _ = torch_module(network.operations(), layout)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    wanted = {name: tensor.shape for name, tensor in expected.items()}
    if shapes != wanted:
        raise InputError(
            f"{source} states a network whose tensors have the shapes {wanted}; it holds {shapes}"
        )
    values = np.zeros(total, np.float32)
    for name, numbers in expected.items():
        values[numbers.astype(np.int64)] = tensors[name]
    parts = np.split(values, np.cumsum(sizes)[:-1])
    found = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, found)
