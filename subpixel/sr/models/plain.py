"""The plain network: equal 3x3 convolutions at low resolution, the last of which upsamples.

The layers learn what is missing from the nearest-neighbour enlargement of the input, as in Du et
al., "Anchor-based Plain Net for Mobile Image Super-Resolution", arXiv 2105.09750.
"""

from dataclasses import dataclass
from typing import Literal

from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.activation_names import Activation
from subpixel.sr.models.base import Dtype, NetworkConfig
from subpixel.sr.models.espcn import ConvStack, ESPCNConfig
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
    dtype: Dtype = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        super().__post_init__()
        require(
            self.depth >= 2 and self.width >= 1,
            "model.depth must be at least 2 and model.width at least 1; got "
            f"{self.depth} and {self.width}",
        )

    def build(self, upsampler: Layout, seed: int) -> ConvStack:
        """Returns a new network; see `NetworkConfig.build`."""
        stack = ESPCNConfig(
            scale=self.scale,
            channels=self.channels,
            features=(self.width,) * (self.depth - 1),
            kernel_sizes=(3,) * self.depth,
            activation=self.activation,
            input_mean=self.input_mean,
            input_scale=self.input_scale,
            residual=True,
            dtype=self.dtype,
        )
        return self.start(ConvStack(stack, rngs=nnx.Rngs(seed)), upsampler, seed)
