"""A network as a short list of plain operations, from which every export is built.

A network computes its operations in order, each on the result of the one before. The arrays are
NumPy's, in float32, and channels-last as everywhere in this project. A program that is not JAX
(ONNX, PyTorch) needs nothing else to compute the same function.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float32

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.nnx import PhaseBias
from subpixel.sr.models.activations import PReLU
from subpixel.sr.models.upsampler import Upsampler

ActivationName = Literal["tanh", "relu", "prelu", "sigmoid"]


@dataclass(frozen=True, eq=False)
class Centre:
    """``(x - mean) * scale``."""

    mean: float
    scale: float


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with stride 1 and zero padding to the size of its input ("SAME").

    Attributes:
      kernel: (k, k, in, out).
      bias: (out,).
    """

    kernel: Float32[np.ndarray, "k k in out"]
    bias: Float32[np.ndarray, " out"]


@dataclass(frozen=True, eq=False)
class Activation:
    """An elementwise nonlinearity; "prelu" multiplies negative values by the slope (c,)."""

    name: ActivationName
    slope: Float32[np.ndarray, " c"] | None = None


@dataclass(frozen=True, eq=False)
class Upsampling:
    """The learned upsampling and its bias.

    Attributes:
      scale: r.
      kernel: (k, k, in, r**2 * out), in the layout "subpixel" and the channel order "dcr".
      bias: (r**2 * out,) in the order "dcr", one number for each phase and channel; or (out,), the
        same in every phase.
      has_bias: whether the bias is a parameter; without one it is 0.
    """

    scale: int
    kernel: Float32[np.ndarray, "k k in phases_of_out"]
    bias: Float32[np.ndarray, " out_or_phases_of_out"]
    has_bias: bool = True

    @property
    def channels(self) -> int:
        """Channels of the enlarged image."""
        return self.kernel.shape[-1] // self.scale**2

    @property
    def has_phase_bias(self) -> bool:
        """Whether the bias has a number for each phase."""
        return len(self.bias) == self.kernel.shape[-1]

    @property
    def phase_bias(self) -> Float32[np.ndarray, " phases_of_out"]:
        """(r**2 * out,): the bias of the convolution before the pixel shuffle."""
        return np.tile(self.bias, self.kernel.shape[-1] // len(self.bias))

    def kernel_in(self, layout: Layout) -> Float32[np.ndarray, "taps taps in out"]:
        """Returns the kernel in another layout."""
        return np.asarray(kernels.convert(jnp.asarray(self.kernel), self.scale, "subpixel", layout))


@dataclass(frozen=True, eq=False)
class AddNearest:
    """Adds the network's input, enlarged r times by nearest neighbour."""

    scale: int


@dataclass(frozen=True, eq=False)
class PadEdge:
    """Pads height and width with the nearest pixel of the edge, `pixels` to each side."""

    pixels: int


@dataclass(frozen=True, eq=False)
class Crop:
    """Removes `pixels` pixels from each side."""

    pixels: int


Operation = Centre | Convolution | Activation | Upsampling | AddNearest | PadEdge | Crop


def centre(mean: float, scale: float) -> list[Operation]:
    """Returns the centring of the input; an empty list if it changes nothing."""
    return [] if (mean, scale) == (0.0, 1.0) else [Centre(mean, scale)]


def convolution(layer: nnx.Conv) -> Convolution:
    """Returns a Flax convolution with stride 1 and "SAME" padding as an operation."""
    assert layer.bias is not None
    return Convolution(_float32(layer.kernel[...]), _float32(layer.bias[...]))


def prelu(layer: PReLU) -> Activation:
    """Returns a PReLU as an operation."""
    return Activation("prelu", _float32(layer.slope[...]))


def upsampling(
    layer: Upsampler, layout: Layout, scale: int, bias: PhaseBias | None = None
) -> Upsampling:
    """Returns a network's upsampler as an operation, with the bias that follows it, if any."""
    kernel = _float32(kernels.convert(layer.kernel[...], scale, layout, "subpixel"))
    values = np.zeros(kernel.shape[-1] // scale**2) if bias is None else bias.bias[...]
    return Upsampling(scale, kernel, _float32(values), bias is not None)


def _float32(array: jax.Array | np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)
