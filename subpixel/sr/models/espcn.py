"""ESPCN: three convolutions at low resolution, the last of which upsamples.

Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network", arXiv 1609.05158.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from subpixel.kernels import Layout
from subpixel.nnx import PhaseBias
from subpixel.ops.pixel_shuffle import scale_per_axis
from subpixel.sr.models.base import Dtype as DtypeName
from subpixel.sr.models.base import Network, NetworkConfig
from subpixel.sr.models.operations import (
    Activation,
    AddNearest,
    Operation,
    centre,
    convolution,
    upsampling,
)
from subpixel.sr.models.upsampler import make_upsampler
from subpixel.sr.serialization import check_fields, require

Bias = Literal["phase", "shared"]
OutputActivation = Literal["none", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class ESPCNConfig(NetworkConfig):
    """ESPCN, arXiv 1609.05158."""

    network: Literal["espcn"] = "espcn"
    features: tuple[int, int] = (64, 32)
    """Channels of the two hidden layers."""
    kernel_sizes: tuple[int, int, int] = (5, 3, 3)
    """Kernel sizes of the three layers, in low-resolution pixels."""
    bias: Bias = "phase"
    """Bias of the last layer: one number for each of the scale**2 phases, or one for all."""
    input_mean: float = 0.0
    """Taken from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 1.0
    """What the centred input is multiplied by."""
    residual: bool = False
    """Whether the layers learn what is missing from the nearest-neighbour enlargement."""
    output_activation: OutputActivation = "none"
    """At the very end; the paper's network has none."""
    dtype: DtypeName = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        check_fields(self, "model.")
        require(
            isinstance(self.scale, int) and self.scale >= 2,
            f"model.scale must be a whole number of at least 2; got {self.scale!r}",
        )
        require(
            min(*self.features, *self.kernel_sizes) >= 1,
            "model.features and model.kernel_sizes must be positive; got "
            f"{self.features} and {self.kernel_sizes}",
        )

    def build(self, upsampler: Layout, seed: int) -> "ESPCN":
        """Returns a new network. The same seed gives the same function for every upsampler."""
        model = ESPCN(
            self.scale,
            channels=self.channels,
            upsampler="subpixel",
            features=self.features,
            kernel_sizes=self.kernel_sizes,
            bias=self.bias,
            input_mean=self.input_mean,
            input_scale=self.input_scale,
            residual=self.residual,
            output_activation=self.output_activation,
            dtype=jnp.dtype(self.dtype),
            rngs=nnx.Rngs(seed),
        )
        return model.with_upsampler(upsampler)


class ESPCN(Network):
    """Enlarges an image r times; its upsampler can be swapped, and the function stays the same.

    Args:
      scale: r, a whole number of at least 2.
      channels: of input and output: 1 for luma, 3 for RGB.
      upsampler: "subpixel", "conv_transpose" or "zero_insert": how the last layer is spelled.
      features: channels of the two hidden layers.
      kernel_sizes: of the three layers, in low-resolution pixels.
      bias: of the last layer: "phase", one number for each of the r**2 phases, as in the paper, or
        "shared", one for each output channel, as a transposed convolution usually has.
      activation: after each hidden layer. There is none at the end.
      input_mean: what is taken from the input first, and
      input_scale: what it is then multiplied by. Images lie in 0..1, and centred inputs use the
        whole slope of tanh. The output is not affected.
      residual: whether the layers learn what is missing from the nearest-neighbour enlargement, to
        which their output is added. The paper's network has no such connection.
      output_activation: "none", as in the paper, or "sigmoid", at the very end, which some public
        weights were trained with.
      dtype: in which the layers compute; by default as their input and parameters are. What they
        put out is float32 or wider again before bias and residual.
      rngs: random streams.

    Raises:
      ValueError: if the scale is below 2, or the upsampler, the bias or the output activation is
        unknown.
      TypeError: if the scale is not a whole number.

    Example:
      >>> model = ESPCN(3, rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(
        self,
        scale: int,
        *,
        channels: int = 1,
        upsampler: Layout = "subpixel",
        features: tuple[int, int] = (64, 32),
        kernel_sizes: tuple[int, int, int] = (5, 3, 3),
        bias: Bias = "phase",
        activation: Callable[[jax.Array], jax.Array] = jnp.tanh,
        input_mean: float = 0.0,
        input_scale: float = 1.0,
        residual: bool = False,
        output_activation: OutputActivation = "none",
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ):
        scales = scale_per_axis(scale, 2)
        if scales[0] != scales[1]:
            raise ValueError(f"scale must be one whole number, for both axes; got {scale!r}")
        if bias not in ("phase", "shared"):
            raise ValueError(f'bias must be "phase" or "shared"; got {bias!r}')
        if output_activation not in ("none", "sigmoid"):
            raise ValueError(
                f'output_activation must be "none" or "sigmoid"; got {output_activation!r}'
            )
        self.scale = scales[0]
        self.channels = channels
        self.activation = activation
        self.input_mean = input_mean
        self.input_scale = input_scale
        self.residual = residual
        self.output_activation: OutputActivation = output_activation
        # How many low-resolution pixels to each side an output pixel depends on.
        self.radius = sum(size // 2 for size in kernel_sizes)
        self.dtype = dtype
        self.upsampler_name: Layout = upsampler
        first, second, last = ((size, size) for size in kernel_sizes)
        self.conv1 = nnx.Conv(channels, features[0], first, dtype=dtype, rngs=rngs)
        self.conv2 = nnx.Conv(features[0], features[1], second, dtype=dtype, rngs=rngs)
        self.upsampler = make_upsampler(
            upsampler, features[1], channels, last, scales, dtype=dtype, rngs=rngs
        )
        self.bias = PhaseBias(channels, scales if bias == "phase" else (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., h, w, channels) -> (..., r*h, r*w, channels); both in 0..1, not clipped."""
        hidden = (x - self.input_mean) * self.input_scale
        hidden = self.activation(self.conv1(hidden))
        hidden = self.activation(self.conv2(hidden))
        wide = jnp.promote_types(x.dtype, jnp.float32)
        output = self.bias(self.upsampler(hidden).astype(wide))
        if self.residual:
            output += x.repeat(self.scale, axis=-3).repeat(self.scale, axis=-2)
        return jax.nn.sigmoid(output) if self.output_activation == "sigmoid" else output

    def operations(self) -> list[Operation]:
        """Returns the same function as plain operations, for exports.

        Raises:
          ValueError: if the activation is not tanh.
        """
        if self.activation is not jnp.tanh:
            raise ValueError(f"an ESPCN is exported with tanh only; got {self.activation}")
        listed: list[Operation] = centre(self.input_mean, self.input_scale)
        for layer in (self.conv1, self.conv2):
            listed += [convolution(layer), Activation("tanh")]
        listed.append(upsampling(self.upsampler, self.upsampler_name, self.scale, self.bias))
        if self.residual:
            listed.append(AddNearest(self.scale))
        if self.output_activation != "none":
            listed.append(Activation(self.output_activation))
        return listed
