"""The layer table of a network: shapes, parameters and work, counted once for everybody.

The rows are derived from a network's operations. The table of `describe` and the GFLOP of a
comparison are sums over them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from subpixel.kernels import Layout
from subpixel.sr.models.operations import Activation, Convolution, Operation, Upsampling


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


def layer_table(operations: Iterable[Operation], layout: Layout) -> list[Layer]:
    """Returns the layers of a network, in the order of their computation.

    Each number of a kernel is used once for each pixel of its input, in every layout of the
    upsampling. "zero_insert" multiplies inserted zeros as well, r**2 - 1 times as many. A
    transposed convolution in two dimensions has none in its forward pass: on a CPU, XLA computes it
    as a matrix product and a scatter-add (`EigenTransposedConv2D`).

    Args:
      operations: of the network, as `Network.operations` lists them.
      layout: of its upsampler's kernel.
    """
    rows: list[Layer] = []
    number, scale = 0, 1
    for operation in operations:
        match operation:
            case Convolution(kernel, bias):
                number += 1
                work = kernel.size * scale**2
                parameters, features = kernel.size + bias.size, kernel.shape[-1]
                name = f"conv{number}"
                rows.append(Layer(name, kernel.shape, features, scale, parameters, work, work))
            case Activation("prelu", np.ndarray() as slope):
                name, size = f"prelu{number}", slope.size
                rows.append(Layer(name, (), size, scale, size, 0, 0))
            case Upsampling(r):
                scale *= r
                rows += _upsampling_rows(operation, layout, scale)
    return rows


def _upsampling_rows(operation: Upsampling, layout: Layout, scale: int) -> list[Layer]:
    useful, features = operation.kernel.size, operation.channels
    executed = useful * operation.scale**2 if layout == "zero_insert" else useful
    shape = operation.kernel_in(layout).shape
    rows = [Layer("upsampler", shape, features, scale, useful, useful, executed)]
    if operation.has_bias:
        # The bias has no multiply-adds.
        rows.append(Layer("bias", (), features, scale, operation.bias.size, 0, 0))
    return rows


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
