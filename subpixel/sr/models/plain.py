"""The plain network: equal 3x3 convolutions at low resolution, the last of which upsamples.

The layers learn what is missing from the nearest-neighbour enlargement of the input, as in Du et
al., "Anchor-based Plain Net for Mobile Image Super-Resolution", arXiv 2105.09750.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation
from subpixel.sr.models.base import Dtype as DtypeName
from subpixel.sr.models.base import NetworkConfig
from subpixel.sr.models.stack import ConvStack
from subpixel.sr.models.torch_chain import TorchChain, TorchChoices, TorchMatch
from subpixel.sr.models.torch_params import (
    assumed,
    chain_activation,
    chain_scale,
    params_from_torch,
)
from subpixel.sr.serialization import require


@dataclass(frozen=True, kw_only=True)
class PlainConfig(NetworkConfig):
    """Equal 3x3 convolutions at low resolution, with a residual on nearest neighbour."""

    reads: ClassVar[str] = "SRVGGNetCompact"

    network: Literal["plain"] = "plain"
    depth: int = 6
    """Number of convolutions, the last one, which upsamples, included."""
    width: int = 24
    """Channels of the hidden layers."""
    activation: Activation = "tanh"
    """After each hidden layer."""
    input_mean: float = 0.5
    """Subtracted from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 6.4
    """Factor of the centred input."""
    dtype: DtypeName = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        super().__post_init__()
        require(
            self.depth >= 2 and self.width >= 1,
            "model.depth must be at least 2 and model.width at least 1; got "
            f"{self.depth} and {self.width}",
        )

    @classmethod
    def from_torch(cls, chain: TorchChain, choices: TorchChoices) -> TorchMatch | None:
        """Reads Real-ESRGAN's `SRVGGNetCompact`, whose layers are body.0, body.1, ..."""
        layers = (*chain.hidden, chain.head)
        widths = {conv.weight.shape[0] for conv in chain.hidden}
        fits = (
            not chain.transposed
            and (chain.has_prelu or chain.lacks_prelu)
            and all(re.fullmatch(r"(.*\.)?body\.\d+", conv.name) for conv in layers)
            and all(conv.size == 3 for conv in layers)
            and len(widths) == 1
        )
        if not fits:
            return None
        if choices.output_activation not in (None, "none"):
            raise InputError(
                "it has the layers of SRVGGNetCompact, which has no activation at the end; got "
                f"output_activation {choices.output_activation}"
            )
        activation = chain_activation(chain, choices.activation, "relu")
        config = cls(
            scale=chain_scale(chain, choices.scale),
            channels=chain.channels,
            depth=len(layers),
            width=widths.pop(),
            activation=activation,
            input_mean=0.0,
            input_scale=1.0,
        )
        notes = assumed(
            activation=None if chain.has_prelu or choices.activation else config.activation
        )
        params = params_from_torch(chain, config.scale, activation)
        return TorchMatch(config, params, notes, named=True)

    def build(self, upsampler: Layout, seed: int) -> "Plain":
        """Returns a new network; see `NetworkConfig.build`."""
        return self.start(Plain(self, rngs=nnx.Rngs(seed)), upsampler, seed)


class Plain(ConvStack):
    """Enlarges an image r times by equal 3x3 convolutions and an upsampler.

    Args:
      config: the choices.
      rngs: random streams.

    Example:
      >>> model = Plain(PlainConfig(scale=3, depth=4, width=8), rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(self, config: PlainConfig, *, rngs: nnx.Rngs):
        super().__init__(
            config.scale,
            channels=config.channels,
            upsampler="subpixel",
            features=(config.width,) * (config.depth - 1),
            kernel_sizes=(3,) * config.depth,
            bias="phase",
            activation=config.activation,
            input_mean=config.input_mean,
            input_scale=config.input_scale,
            residual=True,
            output_activation="none",
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )
