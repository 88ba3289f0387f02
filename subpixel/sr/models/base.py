"""The interface of a network: all that the rest of the application needs to know of it.

A network is one file. Its config, a member of the union `ModelConfig`, states the choices and
builds the network. The network, an `nnx.Module`, computes and declares its scale, channels and
receptive radius, and the same function as plain operations (`operations`), from which exports and
the table of layers are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.sr.models.layers import Layer, layer_table
from subpixel.sr.models.operations import Operation
from subpixel.sr.models.upsampler import Upsampler, UpsamplerInit, draw_kernel, make_upsampler
from subpixel.sr.serialization import check_fields, require

Params = Any  # a nested dict of arrays
AnyNetwork = TypeVar("AnyNetwork", bound="Network")
Dtype = Literal["float32", "bfloat16"]


class Network(nnx.Module):
    """A network that enlarges an image, and whose upsampler can be swapped.

    Attributes:
      scale: r.
      channels: of input and output: 1 for luma, 3 for RGB.
      radius: how many low-resolution pixels to each side an output pixel depends on.
      upsampler: the bare linear upsampling, without a bias.
      upsampler_name: the layout of its kernel.
      dtype: of the layers' computation.
    """

    scale: int
    channels: int
    radius: int
    upsampler: Upsampler
    upsampler_name: Layout
    dtype: Any

    def __call__(
        self, x: Float[Array | np.ndarray, "*batch h w {self.channels}"]
    ) -> Float[Array, "*batch {self.scale}*h {self.scale}*w {self.channels}"]:
        """(..., h, w, channels) -> (..., r*h, r*w, channels); both in 0..1, not clipped."""
        raise NotImplementedError

    def operations(self) -> list[Operation]:
        """Returns the same function as plain operations, for exports and the layer table.

        The upsampling is given in the layout "subpixel", whatever the network's own.
        """
        raise NotImplementedError

    def with_upsampler(self, upsampler: Layout) -> Self:
        """Returns the same function with another upsampler; exact.

        Raises:
          ValueError: if the upsampler is unknown.
        """
        kernel = self.upsampler.kernel[...]
        common = kernels.convert(kernel, self.scale, self.upsampler_name, "subpixel")
        *sizes, in_features, outputs = common.shape
        model = nnx.clone(self)
        model.upsampler_name = upsampler
        model.upsampler = make_upsampler(
            upsampler,
            in_features,
            outputs // self.scale**2,
            sizes,
            (self.scale, self.scale),
            dtype=self.dtype,
            kernel_init=lambda *_: kernels.convert(common, self.scale, "subpixel", upsampler),
            rngs=nnx.Rngs(0),
        )
        return model


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The config of a network: one member of the union `ModelConfig`.

    A member has the field `network`, a `Literal` with one value, which tells it from the others.
    """

    scale: int = 3
    """How many times larger the output is: a whole number of at least 2."""
    channels: Literal[1, 3] = 1
    """1: the network enlarges luma, and colour is enlarged by bicubic. 3: it enlarges RGB."""
    upsampler_init: UpsamplerInit = "icnr"
    """Initial kernel of the upsampler. "icnr": one kernel for all phases, the same function in
    every layout. "converted": LeCun's normal drawn in the layout "subpixel" and converted, the same
    function in every layout. "independent": LeCun's normal drawn in the layout itself, whose fan-in
    is scale**2 times as large in "conv_transpose" and "zero_insert"."""

    def __post_init__(self):
        check_fields(self, "model.")
        require(
            self.scale >= 2,
            f"model.scale must be a whole number of at least 2; got {self.scale!r}",
        )

    def check_sizes(self, features: Sequence[int], kernel_sizes: Sequence[int]) -> None:
        """Raises InputError unless hidden layers and one more have positive sizes."""
        found = f"got {features} and {kernel_sizes}"
        require(
            min((*features, *kernel_sizes)) >= 1,
            f"model.features and model.kernel_sizes must be positive; {found}",
        )
        require(
            len(kernel_sizes) == len(features) + 1,
            "model.kernel_sizes must hold one number more than model.features, that of the last "
            f"layer; {found}",
        )

    def build(self, upsampler: Layout, seed: int) -> Network:
        """Returns a new network.

        The same seed gives the same hidden layers for every upsampler and, unless `upsampler_init`
        is "independent", the same function.
        """
        raise NotImplementedError

    def start(self, network: AnyNetwork, upsampler: Layout, seed: int) -> AnyNetwork:
        """Returns a network started by ICNR with another upsampler, started by `upsampler_init`."""
        if self.upsampler_init == "icnr":
            return network.with_upsampler(upsampler)
        drawn_in = upsampler if self.upsampler_init == "independent" else "subpixel"
        model = network.with_upsampler(drawn_in)
        kernel = model.upsampler.kernel
        kernel.set_value(draw_kernel(seed, kernel.shape, kernel.dtype))
        return model.with_upsampler(upsampler)

    def build_abstract(self, upsampler: Layout) -> Network:
        """Returns the network with the shapes of its parameters; nothing is computed."""
        return nnx.eval_shape(lambda: self.build(upsampler, seed=0))

    def layers(self, upsampler: Layout) -> list[Layer]:
        """Returns the network's layers with an upsampler, in the order of their computation."""
        graph, state = nnx.split(self.build_abstract(upsampler))
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state)
        return layer_table(nnx.merge(graph, zeros).operations(), upsampler)
