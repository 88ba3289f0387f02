"""A network as a PyTorch module: its state dict, and the code of the module that loads it."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.ops.conv import upsampling_padding
from subpixel.sr._support.errors import InputError
from subpixel.sr.models.operations import (
    Activation,
    AddNearest,
    Centre,
    Convolution,
    Crop,
    Operation,
    PadEdge,
    Upsampling,
)

_ACTIVATIONS = {"tanh": "nn.Tanh()", "relu": "nn.ReLU()", "sigmoid": "nn.Sigmoid()"}

StateDict = dict[str, Float32[np.ndarray, "..."]]


def torch_module(operations: Sequence[Operation], layout: Layout) -> tuple[StateDict, str]:
    """Returns the state dict of a network and the Python code of its module, named `model`.

    The module is an `nn.Sequential`. Where the network centres its input, adds the enlarged input
    or has a bias for each phase of a transposed convolution, a subclass of it does so in
    `forward`; the names in the state dict are the same.

    "subpixel" is `nn.PixelShuffle`, and "conv_transpose" `nn.ConvTranspose2d`.

    Raises:
      InputError: if there is no such module.
    """
    if layout == "zero_insert":
        raise InputError(
            "PyTorch has no layer that inserts zeros: export with --layout=subpixel or "
            "--layout=conv_transpose"
        )
    state: StateDict = {}
    layers: list[str] = []
    start, end = "", ""
    for operation in operations:
        match operation:
            case Centre(mean, scale):
                start = f"(x - {mean!r}) * {scale!r}"
            case Convolution(kernel, bias):
                _add_conv(layers, state, kernel, bias)
            case Activation("prelu", np.ndarray() as slope):
                state[f"{len(layers)}.weight"] = slope
                layers.append(f"nn.PReLU({len(slope)})")
            case Activation(name):
                if end:
                    end = f"torch.sigmoid({end})"
                else:
                    layers.append(_ACTIVATIONS[name])
            case Upsampling():
                end = _add_upsampling(layers, state, operation, layout)
            case PadEdge(pixels):
                layers.append(f"nn.ReplicationPad2d({pixels})")
            case Crop(pixels):
                layers.append(f"nn.ZeroPad2d({-pixels})")
            case AddNearest(scale):
                nearest = f'F.interpolate(x, scale_factor={scale}, mode="nearest")'
                end = f"{end or 'super().forward(START)'} + {nearest}"
    return state, _code(layers, start, end)


def _add_conv(layers: list[str], state: StateDict, kernel: np.ndarray, bias: np.ndarray) -> None:
    height, width, inputs, outputs = kernel.shape
    if height != width or height % 2 == 0:
        raise InputError(
            f"a convolution of {height}x{width} taps has no symmetric padding in PyTorch: only "
            "odd square kernels are exported to it"
        )
    state[f"{len(layers)}.weight"] = kernel.transpose(3, 2, 0, 1)
    state[f"{len(layers)}.bias"] = bias
    layers.append(f"nn.Conv2d({inputs}, {outputs}, {height}, padding={height // 2})")


def _add_upsampling(
    layers: list[str], state: StateDict, operation: Upsampling, layout: Layout
) -> str:
    """Adds the upsampling; returns the code of what `forward` adds to it, or ""."""
    r = operation.scale
    if layout == "subpixel":
        kernel, bias = (
            np.asarray(kernels.reorder(jnp.asarray(numbers), r, "dcr", "crd"))
            for numbers in (operation.kernel, operation.phase_bias)
        )
        _add_conv(layers, state, kernel, bias)
        layers.append(f"nn.PixelShuffle({r})")
        return ""
    kernel = operation.kernel_in("conv_transpose")
    size, _, inputs, outputs = kernel.shape
    ((low, high), _) = upsampling_padding(kernel.shape[:2], (r, r), "SAME")
    # PyTorch crops both ends of the output alike; `output_padding` extends the second end again.
    padding, rest = size - 1 - low, high - low
    if padding < 0 or not 0 <= rest < r:
        raise InputError(
            f"a transposed convolution of {size} taps with stride {r} is not aligned as PyTorch's "
            "can be: export with --layout=subpixel"
        )
    state[f"{len(layers)}.weight"] = kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    shared = not operation.has_phase_bias
    if shared:
        state[f"{len(layers)}.bias"] = operation.bias
    layers.append(
        f"nn.ConvTranspose2d({inputs}, {outputs}, {size}, stride={r}, padding={padding}, "
        f"output_padding={rest}, bias={shared})"
    )
    if shared:
        return ""
    state["phase_bias"] = operation.bias.reshape(-1, outputs).T.reshape(outputs, r, r)
    repeats = "self.phase_bias.repeat(1, x.shape[-2], x.shape[-1])"
    return f"super().forward(START) + {repeats}"


def _code(layers: list[str], start: str, end: str) -> str:
    body = "".join(f"    {layer},\n" for layer in layers)
    if not start and not end:
        return f"from torch import nn\n\nmodel = nn.Sequential(\n{body})\n"
    result = (end or "super().forward(START)").replace("START", start or "x")
    phase_bias = ""
    if "self.phase_bias" in end:
        # The shape is that of the parameter in the state dict.
        phase_bias = (
            "    def __init__(self, *layers):\n"
            "        super().__init__(*layers)\n"
            "        convolution = layers[-1]\n"
            "        shape = (convolution.out_channels, *convolution.stride)\n"
            "        self.phase_bias = nn.Parameter(torch.zeros(shape))\n\n"
        )
    return (
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n"
        f"class Network(nn.Sequential):\n{phase_bias}"
        f"    def forward(self, x):\n        return {result}\n\n\n"
        f"model = Network(\n{body})\n"
    )
