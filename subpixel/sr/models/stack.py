"""A stack of convolutions at low resolution, the last of which upsamples, as in ESPCN.

The parameters are conv1, prelu1, conv2, prelu2, ... (prelu1, ... with this activation only), then
upsampler, and bias, which the upsampler's output receives.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from subpixel.kernels import Layout
from subpixel.nnx import PhaseBias
from subpixel.ops.pixel_shuffle import scale_per_axis
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.models import operations
from subpixel.sr.models.activations import PReLU, activate
from subpixel.sr.models.base import Network
from subpixel.sr.models.layers import (
    Layer,
    bias_layer,
    conv_layer,
    prelu_layer,
    upsampler_layer,
)
from subpixel.sr.models.operations import Operation
from subpixel.sr.models.upsampler import make_upsampler

Bias = Literal["phase", "shared"]

_kernel_init = nnx.initializers.lecun_normal()


class ConvStack(Network):
    """Enlarges an image r times; its upsampler can be swapped, and the function stays the same.

    Args:
      scale: r, a whole number of at least 2.
      channels: of input and output: 1 for luma, 3 for RGB.
      upsampler: layout of the last kernel: "subpixel", "conv_transpose" or "zero_insert".
      features: channels of the hidden layers.
      kernel_sizes: of all layers, one more than `features`, in low-resolution pixels.
      bias: of the last layer: "phase", one number for each of the r**2 phases and channel, or
        "shared", one for each channel.
      activation: after each hidden layer.
      input_mean: subtracted from the input before the first layer.
      input_scale: factor of the centred input. The residual connection and the output are not
        affected.
      residual: whether the layers learn what is missing from the nearest-neighbour enlargement, to
        which their output is added.
      output_activation: after the last layer and the residual connection.
      dtype: in which the layers compute; by default as their input and parameters are. Their
        output is float32 or wider again before bias and residual.
      kernel_init: initializer of the hidden layers' kernels. The upsampler's is ICNR.
      rngs: random streams.

    Raises:
      ValueError: if the scale is below 2, a choice is unknown, or `features` and `kernel_sizes` do
        not fit together.
      TypeError: if the scale is not a whole number.
    """

    def __init__(
        self,
        scale: int,
        *,
        channels: int,
        upsampler: Layout,
        features: Sequence[int],
        kernel_sizes: Sequence[int],
        bias: Bias,
        activation: Activation,
        input_mean: float,
        input_scale: float,
        residual: bool,
        output_activation: OutputActivation,
        dtype: Dtype | None,
        kernel_init: Initializer = _kernel_init,
        rngs: nnx.Rngs,
    ):
        scales = scale_per_axis(scale, 2)
        if scales[0] != scales[1]:
            raise ValueError(f"scale must be one whole number, for both axes; got {scale!r}")
        _require_choice("bias", bias, get_args(Bias))
        _require_choice("activation", activation, get_args(Activation))
        _require_choice("output_activation", output_activation, get_args(OutputActivation))
        if len(kernel_sizes) != len(features) + 1:
            raise ValueError(
                "kernel_sizes must hold one number more than features, that of the last layer; got "
                f"{len(kernel_sizes)} and {len(features)}"
            )
        self.scale = scales[0]
        self.channels = channels
        self.features = tuple(features)
        self.activation: Activation = activation
        self.input_mean = input_mean
        self.input_scale = input_scale
        self.residual = residual
        self.output_activation: OutputActivation = output_activation
        self.radius = sum(size // 2 for size in kernel_sizes)
        self.dtype = dtype
        self.upsampler_name: Layout = upsampler
        widths = (channels, *features)
        for number, size in enumerate(kernel_sizes[:-1], start=1):
            inputs, outputs = widths[number - 1 : number + 1]
            conv = nnx.Conv(
                inputs, outputs, (size, size), dtype=dtype, kernel_init=kernel_init, rngs=rngs
            )
            setattr(self, f"conv{number}", conv)
            if activation == "prelu":
                setattr(self, f"prelu{number}", PReLU(outputs))
        last = (kernel_sizes[-1], kernel_sizes[-1])
        self.upsampler = make_upsampler(
            upsampler, widths[-1], channels, last, scales, dtype=dtype, rngs=rngs
        )
        self.bias = PhaseBias(channels, scales if bias == "phase" else (1, 1), rngs=rngs)

    def __call__(
        self, x: Float[Array | np.ndarray, "*batch h w {self.channels}"]
    ) -> Float[Array, "*batch {self.scale}*h {self.scale}*w {self.channels}"]:
        """(..., h, w, channels) -> (..., r*h, r*w, channels); both in 0..1, not clipped."""
        hidden = (x - self.input_mean) * self.input_scale
        for number in range(1, len(self.features) + 1):
            hidden = getattr(self, f"conv{number}")(hidden)
            if self.activation == "prelu":
                hidden = getattr(self, f"prelu{number}")(hidden)
            else:
                hidden = activate(self.activation, hidden)
        wide = jnp.promote_types(x.dtype, jnp.float32)
        output = self.bias(self.upsampler(hidden).astype(wide))
        if self.residual:
            output += x.repeat(self.scale, axis=-3).repeat(self.scale, axis=-2)
        return activate(self.output_activation, output)

    def layers(self) -> list[Layer]:
        """Returns the layers in the order of their computation."""
        rows = []
        for number in range(1, len(self.features) + 1):
            rows.append(conv_layer(f"conv{number}", getattr(self, f"conv{number}")))
            if self.activation == "prelu":
                rows.append(prelu_layer(f"prelu{number}", getattr(self, f"prelu{number}")))
        last = upsampler_layer(self.upsampler, self.upsampler_name, self.scale, self.channels)
        return [*rows, last, bias_layer(self.bias, self.scale, self.channels)]

    def operations(self) -> list[Operation]:
        """Returns the same function as plain operations, for exports."""
        listed: list[Operation] = operations.centre(self.input_mean, self.input_scale)
        for number in range(1, len(self.features) + 1):
            listed.append(operations.convolution(getattr(self, f"conv{number}")))
            if self.activation == "prelu":
                listed.append(operations.prelu(getattr(self, f"prelu{number}")))
            else:
                listed.append(operations.Activation(self.activation))
        listed.append(
            operations.upsampling(self.upsampler, self.upsampler_name, self.scale, self.bias)
        )
        if self.residual:
            listed.append(operations.AddNearest(self.scale))
        if self.output_activation != "none":
            listed.append(operations.Activation(self.output_activation))
        return listed


def _require_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        named = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{argument} must be {named}; got {value!r}")
