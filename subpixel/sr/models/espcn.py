"""ESPCN: convolutions at low resolution, the last of which upsamples.

FSRCNN and the plain network are such stacks too, with other sizes: `ConvStack` computes all three.

Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network", arXiv 1609.05158.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Initializer
from jaxtyping import Array, Float

from subpixel.kernels import Layout
from subpixel.nnx import PhaseBias
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.models import operations
from subpixel.sr.models.activations import PReLU, activate
from subpixel.sr.models.base import Dtype, Network, NetworkConfig
from subpixel.sr.models.operations import Operation
from subpixel.sr.models.upsampler import make_upsampler

Bias = Literal["phase", "shared"]

_lecun_normal = nnx.initializers.lecun_normal()


@dataclass(frozen=True, kw_only=True)
class ESPCNConfig(NetworkConfig):
    """ESPCN, arXiv 1609.05158."""

    network: Literal["espcn"] = "espcn"
    features: tuple[int, ...] = (64, 32)
    """Channels of the hidden layers; the paper has two."""
    kernel_sizes: tuple[int, ...] = (5, 3, 3)
    """Kernel sizes of the hidden layers and the last layer, in low-resolution pixels."""
    bias: Bias = "phase"
    """Bias of the last layer: one number for each of the scale**2 phases, or one for all."""
    activation: Activation = "tanh"
    """After each hidden layer. The paper compares "tanh" and "relu"; "prelu" is ReLU with a
    learned slope for negative values."""
    input_mean: float = 0.0
    """Subtracted from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 1.0
    """Factor of the centred input. The residual connection and the output are not affected."""
    residual: bool = False
    """Whether the layers learn what is missing from the nearest-neighbour enlargement."""
    output_activation: OutputActivation = "none"
    """After the last layer and the residual connection; the paper's network has none."""
    dtype: Dtype = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        super().__post_init__()
        self.check_sizes(self.features, self.kernel_sizes)

    def build(self, upsampler: Layout, seed: int) -> "ConvStack":
        """Returns a new network; see `NetworkConfig.build`."""
        return self.start(ConvStack(self, rngs=nnx.Rngs(seed)), upsampler, seed)


class ConvStack(Network):
    """Enlarges an image r times; its upsampler can be swapped, and the function stays the same.

    The parameters are conv1, prelu1, conv2, prelu2, ... (prelu1, ... with this activation only),
    then upsampler, and bias, which the upsampler's output receives.

    Args:
      config: the choices. The upsampler has the layout "subpixel", started by ICNR.
      kernel_init: initializer of the hidden layers' kernels.
      rngs: random streams.

    Example:
      >>> model = ConvStack(ESPCNConfig(scale=3), rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(
        self, config: ESPCNConfig, *, kernel_init: Initializer = _lecun_normal, rngs: nnx.Rngs
    ):
        r, channels = config.scale, config.channels
        self.config = config
        self.scale = r
        self.channels = channels
        self.radius = sum(size // 2 for size in config.kernel_sizes)
        self.dtype = jnp.dtype(config.dtype)
        self.upsampler_name: Layout = "subpixel"
        widths = (channels, *config.features)
        *hidden, last = config.kernel_sizes
        for number, size in enumerate(hidden, start=1):
            inputs, outputs = widths[number - 1 : number + 1]
            conv = nnx.Conv(
                inputs, outputs, (size, size), dtype=self.dtype, kernel_init=kernel_init, rngs=rngs
            )
            setattr(self, f"conv{number}", conv)
            if config.activation == "prelu":
                setattr(self, f"prelu{number}", PReLU(outputs))
        self.upsampler = make_upsampler(
            "subpixel", widths[-1], channels, (last, last), (r, r), dtype=self.dtype, rngs=rngs
        )
        phases = (r, r) if config.bias == "phase" else (1, 1)
        self.bias = PhaseBias(channels, phases, rngs=rngs)

    def __call__(
        self, x: Float[Array | np.ndarray, "*batch h w {self.channels}"]
    ) -> Float[Array, "*batch {self.scale}*h {self.scale}*w {self.channels}"]:
        """(..., h, w, channels) -> (..., r*h, r*w, channels); both in 0..1, not clipped."""
        config = self.config
        hidden = (x - config.input_mean) * config.input_scale
        for number in range(1, len(config.features) + 1):
            hidden = getattr(self, f"conv{number}")(hidden)
            if config.activation == "prelu":
                hidden = getattr(self, f"prelu{number}")(hidden)
            else:
                hidden = activate(config.activation, hidden)
        wide = jnp.promote_types(x.dtype, jnp.float32)
        output = self.bias(self.upsampler(hidden).astype(wide))
        if config.residual:
            output += x.repeat(self.scale, axis=-3).repeat(self.scale, axis=-2)
        return activate(config.output_activation, output)

    def operations(self) -> list[Operation]:
        """Returns the same function as plain operations, for exports and the layer table."""
        config = self.config
        listed = operations.centre(config.input_mean, config.input_scale)
        for number in range(1, len(config.features) + 1):
            listed.append(operations.convolution(getattr(self, f"conv{number}")))
            if config.activation == "prelu":
                listed.append(operations.prelu(getattr(self, f"prelu{number}")))
            else:
                listed.append(operations.Activation(config.activation))
        listed.append(
            operations.upsampling(self.upsampler, self.upsampler_name, self.scale, self.bias)
        )
        if config.residual:
            listed.append(operations.AddNearest(self.scale))
        if config.output_activation != "none":
            listed.append(operations.Activation(config.output_activation))
        return listed
