"""The layer table of a network: shapes, parameters and work, counted once for everybody.

A network lists its layers in the order in which it computes them (`Network.layers`). The table of
`describe` and the GFLOP of a comparison are sums over this list.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from flax import nnx

from subpixel.kernels import Layout
from subpixel.nnx import PhaseBias
from subpixel.sr.models.activations import PReLU
from subpixel.sr.models.upsampler import Upsampler


@dataclass(frozen=True)
class Layer:
    """A layer of a network and its work for each pixel of the network's input.

    Attributes:
      name: the key of its parameters.
      kernel: the shape of its kernel; () if it has none.
      features: channels of its output.
      scale: height and width of its output, as a multiple of those of the network's input.
      parameters: number of parameters.
      useful: multiply-adds with a pixel, for each pixel of the network's input.
      executed: multiply-adds for each pixel of the network's input, those with an inserted zero
        included.
    """

    name: str
    kernel: tuple[int, ...]
    features: int
    scale: int
    parameters: int
    useful: int
    executed: int

    def output(self, shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Returns the shape of the output for a network's input of shape (n, h, w, c)."""
        count, height, width, _ = shape
        return count, self.scale * height, self.scale * width, self.features


def conv_layer(name: str, layer: nnx.Conv, scale: int = 1) -> Layer:
    """Returns the row of a convolution with stride 1.

    Args:
      name: the key of its parameters.
      layer: the convolution.
      scale: of its input and output, as in `Layer`.
    """
    kernel = layer.kernel.shape
    work = math.prod(kernel) * scale**2
    bias = 0 if layer.bias is None else layer.bias.size
    return Layer(name, kernel, kernel[-1], scale, math.prod(kernel) + bias, work, work)


def prelu_layer(name: str, layer: PReLU, scale: int = 1) -> Layer:
    """Returns the row of a PReLU, which has parameters and no multiply-adds."""
    count = layer.slope.size
    return Layer(name, (), count, scale, count, 0, 0)


def upsampler_layer(upsampler: Upsampler, layout: Layout, scale: int, channels: int) -> Layer:
    """Returns the row of the upsampling, "upsampler".

    Each number of a kernel is used once for each low-resolution pixel in every layout.
    "zero_insert" multiplies inserted zeros as well, r**2 - 1 times as many. A transposed
    convolution in two dimensions has none in its forward pass: on a CPU, XLA computes it as a
    matrix product and a scatter-add (`EigenTransposedConv2D`).

    Args:
      upsampler: the linear upsampling without a bias.
      layout: of its kernel.
      scale: r.
      channels: of the output.
    """
    kernel = upsampler.kernel.shape
    useful = math.prod(kernel)
    executed = useful * scale**2 if layout == "zero_insert" else useful
    return Layer("upsampler", kernel, channels, scale, useful, useful, executed)


def bias_layer(bias: PhaseBias, scale: int, channels: int) -> Layer:
    """Returns the row of the bias that follows the upsampling, "bias", without multiply-adds."""
    return Layer("bias", (), channels, scale, bias.bias.size, 0, 0)


def gflop(layers: Iterable[Layer], pixels: int) -> tuple[float, float]:
    """Counts the work of a forward pass: two operations for each multiply-add, borders included.

    XLA's own count leaves out products with inserted zeros, so this one is made from the shapes.

    Args:
      layers: of the network.
      pixels: of its input, those of all images of a batch together.

    Returns:
      Useful and executed work in 10**9 operations.
    """
    listed = list(layers)
    per_pixel = 2 * pixels / 1e9
    useful = sum(layer.useful for layer in listed)
    return useful * per_pixel, sum(layer.executed for layer in listed) * per_pixel
