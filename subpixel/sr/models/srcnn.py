"""SRCNN: bicubic enlargement, then three convolutions at high resolution.

Bicubic enlargement by r is a linear upsampling whose kernel is known, so the three layouts apply to
it as they do to a learned upsampling. Here it comes first, and no gradient reaches its kernel.

Reference: Dong et al., "Image Super-Resolution Using Deep Convolutional Networks",
arXiv 1501.00092.
"""

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32

from subpixel.image import imresize
from subpixel.kernels import Layout
from subpixel.sr.models import operations
from subpixel.sr.models.activations import activate
from subpixel.sr.models.base import Dtype, Network, NetworkConfig
from subpixel.sr.models.layers import Layer
from subpixel.sr.models.operations import Operation
from subpixel.sr.models.upsampler import make_upsampler
from subpixel.sr.serialization import require

# An enlarged pixel depends on this many low-resolution pixels to each side.
BICUBIC_RADIUS = 2


@dataclass(frozen=True, kw_only=True)
class SRCNNConfig(NetworkConfig):
    """SRCNN, arXiv 1501.00092: f1-f2-f3 (n1-n2) is `kernel_sizes` and `features`."""

    network: Literal["srcnn"] = "srcnn"
    features: tuple[int, ...] = (64, 32)
    """n1, n2: channels of the hidden layers."""
    kernel_sizes: tuple[int, ...] = (9, 1, 5)
    """f1, f2, f3: kernel sizes, in high-resolution pixels. The paper has 9-1-5, 9-3-5 and 9-5-5."""
    input_mean: float = 0.0
    """Subtracted from the input, which lies in 0..1, before the enlargement."""
    input_scale: float = 1.0
    """Factor of the centred input. The residual connection and the output are not affected."""
    residual: bool = False
    """Whether the layers learn what is missing from the bicubic enlargement."""
    dtype: Dtype = "float32"
    """In which the layers compute. Parameters and the loss stay in float32."""

    def __post_init__(self):
        super().__post_init__()
        self.check_sizes(self.features, self.kernel_sizes)
        require(
            self.upsampler_init == "icnr",
            "model.upsampler_init does not apply to srcnn, whose upsampling is bicubic: leave it "
            f'"icnr"; got "{self.upsampler_init}"',
        )

    def layers(self, upsampler: Layout) -> list[Layer]:
        """Returns the layers; the residual connection has neither parameters nor products."""
        return NetworkConfig.layers(replace(self, residual=False), upsampler)

    def build(self, upsampler: Layout, seed: int) -> "SRCNN":
        """Returns a new network; see `NetworkConfig.build`."""
        return self.start(SRCNN(self, rngs=nnx.Rngs(seed)), upsampler, seed)


class SRCNN(Network):
    """Enlarges an image by bicubic interpolation and corrects it by convolutions.

    The enlargement is MATLAB's, with the border "replicate" of `subpixel.image.imresize`. The
    parameters are upsampler, which stays as it is, and conv1, conv2, ...

    Args:
      config: the choices.
      rngs: random streams.

    Example:
      >>> model = SRCNN(SRCNNConfig(scale=3), rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(self, config: SRCNNConfig, *, rngs: nnx.Rngs):
        r, channels = config.scale, config.channels
        self.scale = r
        self.channels = channels
        self.config = config
        # The convolutions reach `reach` high-resolution pixels from any of the r phases.
        reach = sum(size // 2 for size in config.kernel_sizes)
        self.radius = BICUBIC_RADIUS + -(-reach // r)
        self.dtype = jnp.dtype(config.dtype)
        self.upsampler_name: Layout = "subpixel"
        self.upsampler = make_upsampler(
            "subpixel",
            channels,
            channels,
            (2 * BICUBIC_RADIUS + 1,) * 2,
            (r, r),
            dtype=self.dtype,
            kernel_init=lambda *_: jnp.asarray(bicubic_kernel(r, channels)),
            rngs=rngs,
        )
        widths = (channels, *config.features, channels)
        for number, size in enumerate(config.kernel_sizes, start=1):
            inputs, outputs = widths[number - 1 : number + 1]
            conv = nnx.Conv(inputs, outputs, (size, size), dtype=self.dtype, rngs=rngs)
            setattr(self, f"conv{number}", conv)

    def __call__(
        self, x: Float[Array | np.ndarray, "*batch h w {self.channels}"]
    ) -> Float[Array, "*batch {self.scale}*h {self.scale}*w {self.channels}"]:
        """(..., h, w, channels) -> (..., r*h, r*w, channels); both in 0..1, not clipped."""
        config = self.config
        # Weights that sum to 1 keep the centre, so centring before or after them is the same.
        enlarged = self._enlarge((x - config.input_mean) * config.input_scale)
        hidden = enlarged
        for number in range(1, len(config.kernel_sizes) + 1):
            hidden = getattr(self, f"conv{number}")(hidden)
            if number < len(config.kernel_sizes):
                hidden = activate("relu", hidden)
        wide = jnp.promote_types(x.dtype, jnp.float32)
        output = hidden.astype(wide)
        if config.residual:
            output += enlarged.astype(wide) / config.input_scale + config.input_mean
        return output

    def _enlarge(self, x: jax.Array | np.ndarray) -> jax.Array:
        pad, crop = BICUBIC_RADIUS, BICUBIC_RADIUS * self.scale
        padded = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [(pad, pad)] * 2 + [(0, 0)], mode="edge")
        graph, kernel = nnx.split(self.upsampler)
        # The kernel gets no gradient; the input does.
        fixed = nnx.merge(graph, jax.tree.map(jax.lax.stop_gradient, kernel))
        return fixed(padded)[..., crop:-crop, crop:-crop, :]

    def operations(self) -> list[Operation]:
        """Returns the same function as plain operations, for exports.

        Raises:
          InputError: if the network has a residual connection, for which there is no operation.
        """
        config = self.config
        require(
            not config.residual,
            "an SRCNN with a residual connection is not exported: train with model.residual=False",
        )
        listed: list[Operation] = [
            *operations.centre(config.input_mean, config.input_scale),
            operations.PadEdge(BICUBIC_RADIUS),
            operations.upsampling(self.upsampler, self.upsampler_name, self.scale),
            operations.Crop(BICUBIC_RADIUS * self.scale),
        ]
        for number in range(1, len(config.kernel_sizes) + 1):
            listed.append(operations.convolution(getattr(self, f"conv{number}")))
            if number < len(config.kernel_sizes):
                listed.append(operations.Activation("relu"))
        return listed


def bicubic_kernel(
    scale: int, channels: int
) -> Float32[np.ndarray, "taps taps {channels} {scale}**2*{channels}"]:
    """Returns the kernel of MATLAB's bicubic enlargement in the layout "subpixel".

    Args:
      scale: r.
      channels: c, each of which is enlarged separately.

    Returns:
      (5, 5, c, r**2 * c), float32.

    Example:
      >>> kernel = bicubic_kernel(2, 1)
      >>> kernel[2, :, 0, 0] / kernel[2, :, 0, 0].sum() * 128
      array([ -3.,  29., 111.,  -9.,   0.], dtype=float32)
    """
    taps = 2 * BICUBIC_RADIUS + 1
    # The response to a single pixel: output phase a of the pixel `t` to the right of it reads it
    # with the tap `radius - t`.
    impulse = np.zeros((1, 2 * taps + 1, 1))
    impulse[0, taps] = 1
    response = imresize(impulse, scale, border="replicate")[0, :, 0]
    rows = response.reshape(-1, scale)[taps - BICUBIC_RADIUS : taps + BICUBIC_RADIUS + 1][::-1]
    single = np.einsum("ka,lb->klab", rows, rows).reshape(taps, taps, scale**2)
    kernel = np.einsum("klp,io->klipo", single, np.eye(channels))
    return kernel.reshape(taps, taps, channels, -1).astype(np.float32)
