"""Parameters of a network from PyTorch's layers: kernels, biases and slopes in our layouts."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from subpixel import kernels
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation
from subpixel.sr.models.torch_chain import TorchChain, TorchConv


def chain_activation(
    chain: TorchChain, wanted: Activation | None, default: Activation
) -> Activation:
    """Returns the activation of the hidden layers.

    Args:
      chain: PyTorch's layers, with a PReLU after each or none at all.
      wanted: the user's choice, or None.
      default: for a chain without PReLU if the user makes no choice.

    Raises:
      InputError: if the user's choice contradicts the file.
    """
    found = "prelu" if chain.has_prelu else None
    if wanted is not None and (found == "prelu") != (wanted == "prelu"):
        holds = "holds" if found else "does not hold"
        raise InputError(
            f"it {holds} the slopes of PReLU, and the activation asked for is {wanted}"
        )
    return found or wanted or default


def assumed(**choices: str | None) -> tuple[str, ...]:
    """Returns a note on what was assumed, by option; an option that is None was not assumed."""
    named = {name.replace("_", "-"): value for name, value in choices.items() if value is not None}
    if not named:
        return ()
    options = " or ".join(f"--{name}" for name in named)
    values = " and ".join(f"{name} {value}" for name, value in named.items())
    return (f"the file does not state its activations: {values} assumed; {options} says otherwise",)


def chain_scale(chain: TorchChain, wanted: int | None) -> int:
    """Returns the scale of a chain of PyTorch's layers.

    Raises:
      InputError: if the last layer has another scale than `wanted`, or it is transposed, which
        fits every scale, and `wanted` is None.
    """
    if chain.transposed:
        if wanted is None:
            raise InputError(
                "it ends in a transposed convolution, whose file does not state the scale: give "
                "the scale"
            )
        return wanted
    outputs, channels = chain.head.weight.shape[0], chain.channels
    if wanted is not None and outputs != channels * wanted**2:
        raise InputError(
            f"it gives {outputs} channels before the shuffle, and x{wanted} of {channels} takes "
            f"{channels * wanted**2}: the scale asked for is not that of the network"
        )
    return math.isqrt(outputs // channels)


def params_from_torch(chain: TorchChain, scale: int, activation: Activation) -> dict[str, Any]:
    """Returns the parameters of a `ConvStack` with the upsampler "subpixel".

    A bias that is missing is 0. A transposed convolution of k pixels is taken to have the padding
    k // 2 and the output padding r - 1, as in the public ones: its output is r times its input.

    Args:
      chain: PyTorch's layers.
      scale: r.
      activation: after each hidden layer; "prelu" where the chain has slopes, or to express ReLU.
    """
    params: dict[str, Any] = {}
    for number, conv in enumerate(chain.hidden, start=1):
        kernel = kernels.from_torch_conv(jnp.asarray(conv.weight, jnp.float32))
        params[f"conv{number}"] = {"kernel": kernel, "bias": _bias(conv, kernel.shape[-1])}
        if activation == "prelu":
            slopes = jnp.zeros(kernel.shape[-1]) if conv.slopes is None else conv.slopes
            params[f"prelu{number}"] = {"slope": jnp.asarray(slopes, jnp.float32)}
    weight = jnp.asarray(chain.head.weight, jnp.float32)
    if chain.transposed:
        kernel = _transposed_kernel(weight, scale)
        bias = _bias(chain.head, chain.channels)
    else:
        kernel = kernels.reorder(kernels.from_torch_conv(weight), scale, "crd", "dcr")
        bias = kernels.reorder(_bias(chain.head, weight.shape[0]), scale, "crd", "dcr")
    return {**params, "upsampler": {"kernel": kernel}, "bias": {"bias": bias}}


def transposed_size(size: int, scale: int) -> int:
    """Returns the low-resolution size of the smallest kernel that holds PyTorch's.

    Args:
      size: k, an odd number; an input pixel contributes to the output from k // 2 pixels before its
        own place to k // 2 pixels after it.
      scale: r.
    """
    reach, taps = size // 2, 1
    # With a kernel of `taps`, an input pixel contributes to taps // 2 blocks of r before its own.
    while (taps // 2) * scale < reach or (taps - 1) // 2 * scale + scale - 1 < reach:
        taps += 1
    return taps


def _transposed_kernel(weight: jax.Array, scale: int) -> jax.Array:
    """Returns the kernel in the layout "subpixel" of a PyTorch ConvTranspose2d, (in, out, k, k)."""
    size = weight.shape[2]
    taps = transposed_size(size, scale)
    before = (taps // 2) * scale - size // 2
    pads = (before, taps * scale - size - before)
    padded = jnp.pad(weight, ((0, 0), (0, 0), pads, pads))
    kernel = kernels.from_torch_conv_transpose(padded)
    return kernels.convert(kernel, scale, "conv_transpose", "subpixel")


def _bias(conv: TorchConv, features: int) -> jax.Array:
    return jnp.zeros(features) if conv.bias is None else jnp.asarray(conv.bias, jnp.float32)
