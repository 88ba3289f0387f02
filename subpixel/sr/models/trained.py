"""A trained network as data: its config, its upsampler and its parameters."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.tree_util import keystr

from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Network, Params
from subpixel.sr.provenance import Provenance

if TYPE_CHECKING:
    from subpixel.sr.inference.upscaler import NetworkUpscaler


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network as data.

    Attributes:
      name: as the user gave it.
      provenance: what is known about its weights.
      config: the network's config.
      upsampler: the layout of its last kernel.
      params: its parameters, a nested dict of arrays.
      facts: what else is known of it, for JSON, such as the training step.
      notes: what a user should know, such as an assumption about a PyTorch file; one line each.
    """

    name: str
    provenance: Provenance
    config: ModelConfig
    upsampler: Layout
    params: Params
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def shapes(self) -> Network:
        """The network with the shapes of its parameters."""
        return self.config.build_abstract(self.upsampler)

    @cached_property
    def graph(self) -> nnx.GraphDef[Any]:
        """The network's definition, to merge with parameters."""
        return nnx.split(self.shapes)[0]

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def build(self) -> Network:
        """Returns the network with a copy of the parameters."""
        return nnx.merge(self.graph, jax.tree.map(jnp.array, self.params))

    def in_float32(self, layout: Layout) -> Network:
        """Returns the network, computing in float32, with its upsampler in a layout."""
        config = replace(self.config, dtype="float32")
        graph, _ = nnx.split(config.build_abstract(self.upsampler))
        return nnx.merge(graph, self.params).with_upsampler(layout)

    def upscaler(self, self_ensemble: bool = False) -> "NetworkUpscaler":
        """Returns what enlarges images with it.

        Args:
          self_ensemble: as in `NetworkUpscaler`.
        """
        from subpixel.sr.inference.upscaler import NetworkUpscaler

        return NetworkUpscaler(self.graph, self.params, self_ensemble)

    def to_json(self) -> dict[str, Any]:
        """Returns name, network, upsampler, scale, number of parameters and the other facts."""
        return {
            "name": self.name,
            "network": self.config.network,
            "upsampler": self.upsampler,
            "scale": self.config.scale,
            "parameters": self.parameters,
            **self.facts,
        }


def named_params(params: Params) -> dict[str, Any]:
    """Returns the arrays of a nested dict by their dotted names, such as "conv1.kernel"."""
    leaves, _ = jax.tree.flatten_with_path(params)
    return {keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def check_params(network: TrainedNetwork, source: str) -> None:
    """Checks that the parameters are those of the network: names, shapes, finite numbers.

    Raises:
      InputError: naming the source and the first parameter that does not fit.
    """
    _, state = nnx.split(network.shapes)
    expected, found = named_params(nnx.to_pure_dict(state)), named_params(network.params)
    problems = [
        *(f"{name} is missing" for name in expected if name not in found),
        *(f"{name} is not one of its parameters" for name in found if name not in expected),
        *(
            f"{name} is {_shape(found[name])} instead of {_shape(array)}"
            for name, array in expected.items()
            if name in found and found[name].shape != array.shape
        ),
    ]
    if problems:
        raise InputError(
            f"the weights in {source} do not have the shapes of the network that it states: "
            + "; ".join(problems[:3])
        )
    for name, array in found.items():
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise InputError(f"{name} in {source} is {array.dtype}, not floating point")
        if not np.isfinite(array).all():
            raise InputError(f"the weights in {source} are not all finite numbers: see {name}")


def _shape(array: Any) -> str:
    return "x".join(map(str, array.shape)) or "a number"
