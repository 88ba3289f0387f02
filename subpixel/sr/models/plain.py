"""The house network: equal 3x3 convolutions at low resolution, the last of which upsamples.

The layers learn what is missing from the nearest-neighbour enlargement of the input, as in Du et
al., "Anchor-based Plain Net for Mobile Image Super-Resolution", arXiv 2105.09750.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.models.activations import Activation
from subpixel.sr.models.base import Dtype as DtypeName
from subpixel.sr.models.base import NetworkConfig
from subpixel.sr.models.stack import ConvStack
from subpixel.sr.serialization import require


@dataclass(frozen=True, kw_only=True)
class PlainConfig(NetworkConfig):
    """Equal 3x3 convolutions at low resolution, with a residual on nearest neighbour."""

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

    def build(self, upsampler: Layout, seed: int) -> "Plain":
        """Returns a new network. The same seed gives the same function for every upsampler."""
        return Plain(self, rngs=nnx.Rngs(seed)).with_upsampler(upsampler)


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
