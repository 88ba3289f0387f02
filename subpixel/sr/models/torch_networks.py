"""The PyTorch networks that are read, recognised by the names in their state dicts.

To read another one, add a line to `KNOWN`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from subpixel import kernels
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, ModelConfig, PlainConfig

Tensors = Mapping[str, Shaped[np.ndarray, "..."]]

# What DataParallel writes before every name.
_PREFIX = "module."
_MAX_NAMES = 12


@dataclass(frozen=True)
class KnownNetwork:
    """A PyTorch network whose state dict is read.

    Attributes:
      about: the network and whose code it is, for messages.
      network: that of this project which computes it.
      layers: names of its convolutions and PReLU in the order of their computation; "#" is a
        number, by which the layers of one name are ordered.
    """

    about: str
    network: str
    layers: str


KNOWN = (
    KnownNetwork("ESPCN of PyTorch's examples, leftthomas and ETDS", "espcn", "conv#"),
    KnownNetwork("ESPCN of yjn870", "espcn", "first_part.# last_part.#"),
    KnownNetwork("ESPCN of Lornatang", "espcn", "feature_maps.# sub_pixel.#"),
    KnownNetwork("ESPCN as an nn.Sequential", "espcn", "#"),
    KnownNetwork("FSRCNN of yjn870 and ETDS", "fsrcnn", "first_part.# mid_part.# last_part"),
    KnownNetwork(
        "FSRCNN of Lornatang", "fsrcnn", "feature_extraction.# shrink.# map.# expand.# deconv"
    ),
    KnownNetwork("SRVGGNetCompact of Real-ESRGAN", "plain", "body.#"),
)


@dataclass(frozen=True, eq=False)
class _Conv:
    """A convolution: (out, in, k, k), or (in, out, k, k) if transposed; and its PReLU's slopes."""

    weight: np.ndarray
    bias: np.ndarray | None
    slopes: np.ndarray | None

    @property
    def size(self) -> int:
        return self.weight.shape[2]

    @property
    def features(self) -> int:
        return self.weight.shape[0]


def network_from_torch(
    tensors: Tensors,
    scale: int | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> tuple[ModelConfig, Any, tuple[str, ...]]:
    """Returns config, parameters for the upsampler "subpixel", and notes on what was assumed.

    The config follows from the number of the convolutions and the shapes of some; the caller checks
    that all parameters have the shapes of its network.

    Args:
      tensors: a state dict.
      scale: r, which a network that ends in a transposed convolution does not state.
      activation: after every hidden layer.
      output_activation: at the end.

    Raises:
      InputError: if it is none of the networks in `KNOWN`, or an argument does not fit it.
    """
    if all(name.startswith(_PREFIX) for name in tensors):
        tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    known, modules = _recognise(tensors)
    *hidden, head = _convolutions(modules)
    channels = hidden[0].weight.shape[1] if hidden else 0
    outputs = head.weight.shape[1 if known.network == "fsrcnn" else 0]
    biased = head.bias is None or head.bias.shape == (outputs,)
    if channels not in (1, 3) or head.slopes is not None or not biased:
        raise InputError(
            "its layers are not two or more convolutions from 1 or 3 channels, with a PReLU after "
            "all or none but the last: " + ", ".join(str(c.weight.shape) for c in (*hidden, head))
        )
    if known.network != "espcn" and output_activation not in (None, "none"):
        raise InputError(
            f"{known.about} has no activation at the end; got output_activation {output_activation}"
        )
    if known.network != "fsrcnn":
        scale = _shuffle_scale(outputs, channels, scale)
    elif scale is None:
        raise InputError(
            "it ends in a transposed convolution, whose file does not state the scale: give the "
            "scale"
        )
    found = _activation(hidden, activation, known)
    config = _config(known, scale, hidden, head, found, output_activation)
    assumed = {}
    if found != "prelu" and activation is None:
        assumed["activation"] = found
    if known.network == "espcn" and output_activation is None:
        assumed["output-activation"] = "none"
    return config, _params(hidden, head, scale, config), _notes(assumed)


def _recognise(tensors: Tensors) -> tuple[KnownNetwork, list[dict[str, np.ndarray]]]:
    """Returns the known network, and the parameters of each of its layers in order."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(module, {})[kind] = tensor
    for known in KNOWN:
        found = [_matching(pattern, modules) for pattern in known.layers.split()]
        ordered = [name for names in found for name in names]
        if all(found) and len(ordered) == len(modules) > 1:
            return known, [modules[name] for name in ordered]
    names = ", ".join(list(tensors)[:_MAX_NAMES])
    more = len(tensors) - _MAX_NAMES
    raise InputError(
        f"its tensors have the names of none of them: {names}"
        + (f", and {more} more" if more > 0 else "")
        + "; rename them, or export the network to ONNX"
    )


def _matching(pattern: str, modules: Mapping[str, Any]) -> list[str]:
    expression = re.compile(re.escape(pattern).replace(r"\#", r"(\d{1,4})"))
    found = [match for name in modules if (match := expression.fullmatch(name))]
    return [match[0] for match in sorted(found, key=lambda match: [*map(int, match.groups())])]


def _convolutions(modules: list[dict[str, np.ndarray]]) -> list[_Conv]:
    convs: list[_Conv] = []
    for tensors in modules:
        weight, bias = tensors.get("weight"), tensors.get("bias")
        if weight is None or tensors.keys() - {"weight", "bias"}:
            raise InputError(
                f"a layer holds {', '.join(sorted(tensors))}, and only a weight and a bias are "
                "read: remove weight normalisation and counters before you save"
            )
        if weight.ndim == 4 and weight.shape[2] == weight.shape[3] and weight.shape[2] % 2:
            convs.append(_Conv(weight, bias, None))
        elif weight.ndim == 1 and bias is None and convs and convs[-1].slopes is None:
            last = convs.pop()
            if weight.size not in (1, last.features):
                raise InputError(
                    f"a PReLU of {weight.size} slopes follows {last.features} channels"
                )
            slopes = np.broadcast_to(weight, (last.features,)).astype(np.float32)
            convs.append(_Conv(last.weight, last.bias, slopes))
        else:
            raise InputError(
                f"a layer has a weight of the shape {weight.shape}; only convolutions with square "
                "kernels of odd size, each with a PReLU after it or not, are read"
            )
    return convs


def _activation(hidden: list[_Conv], wanted: Activation | None, known: KnownNetwork) -> Activation:
    found = hidden[0].slopes is not None
    if wanted is not None and found != (wanted == "prelu"):
        holds = "holds" if found else "does not hold"
        raise InputError(
            f"it {holds} the slopes of PReLU, and the activation asked for is {wanted}"
        )
    if known.network == "fsrcnn" and wanted == "tanh":
        raise InputError(f"{known.about} has PReLU or ReLU; got tanh")
    if found:
        return "prelu"
    return wanted or ("tanh" if known.network == "espcn" else "relu")


def _shuffle_scale(outputs: int, channels: int, wanted: int | None) -> int:
    scale = math.isqrt(outputs // channels)
    if scale < 2 or outputs != channels * scale**2:
        raise InputError(
            f"its last convolution has {outputs} outputs, which no pixel shuffle makes an image of "
            f"{channels} channels"
        )
    if wanted not in (None, scale):
        raise InputError(
            f"it gives {outputs} channels before the shuffle, and x{wanted} of {channels} takes "
            f"{channels * wanted**2}: the scale asked for is not that of the network"
        )
    return scale


def _config(
    known: KnownNetwork,
    scale: int,
    hidden: list[_Conv],
    head: _Conv,
    activation: Activation,
    output_activation: OutputActivation | None,
) -> ModelConfig:
    sizes = tuple(conv.size for conv in (*hidden, head))
    features = tuple(conv.features for conv in hidden)
    common: Any = {"scale": scale, "channels": hidden[0].weight.shape[1]}
    if known.network == "espcn":
        if len(hidden) not in (2, 3):
            raise InputError(
                f"{known.about} has two or three hidden convolutions; got {len(hidden)}"
            )
        return ESPCNConfig(
            features=features,
            kernel_sizes=sizes,
            activation=activation,
            output_activation=output_activation or "none",
            **common,
        )
    if known.network == "plain":
        common |= {"activation": activation, "input_mean": 0.0, "input_scale": 1.0}
        return PlainConfig(depth=len(sizes), width=features[0], **common)
    return FSRCNNConfig(
        features=features[0],
        shrunk_features=features[1] if len(features) > 1 else 1,
        mapping_layers=len(hidden) - 3,
        upsampler_size=transposed_size(head.size, scale),
        **common,
    )


def _params(hidden: list[_Conv], head: _Conv, scale: int, config: ModelConfig) -> dict[str, Any]:
    """Returns the parameters of a `ConvStack` with the upsampler "subpixel".

    A bias that is missing is 0. A transposed convolution of k pixels is taken to have the padding
    k // 2 and the output padding r - 1, as in the public ones: its output is r times its input.
    """
    # FSRCNN has PReLU, of which ReLU is that with the slope 0.
    relu = isinstance(config, FSRCNNConfig) and all(conv.slopes is None for conv in hidden)
    params: dict[str, Any] = {}
    for number, conv in enumerate(hidden, start=1):
        kernel = kernels.from_torch_conv(jnp.asarray(conv.weight, jnp.float32))
        params[f"conv{number}"] = {"kernel": kernel, "bias": _bias(conv, conv.features)}
        slopes = np.zeros(conv.features) if relu else conv.slopes
        if slopes is not None:
            params[f"prelu{number}"] = {"slope": jnp.asarray(slopes, jnp.float32)}
    weight = jnp.asarray(head.weight, jnp.float32)
    if isinstance(config, FSRCNNConfig):
        kernel, bias = _transposed_kernel(weight, scale), _bias(head, config.channels)
    else:
        kernel = kernels.reorder(kernels.from_torch_conv(weight), scale, "crd", "dcr")
        bias = kernels.reorder(_bias(head, head.features), scale, "crd", "dcr")
    return {**params, "upsampler": {"kernel": kernel}, "bias": {"bias": bias}}


def _bias(conv: _Conv, features: int) -> jax.Array:
    return jnp.zeros(features) if conv.bias is None else jnp.asarray(conv.bias, jnp.float32)


def transposed_size(size: int, scale: int) -> int:
    """Returns the low-resolution size of the smallest kernel that holds PyTorch's.

    Args:
      size: k, an odd number; an input pixel contributes to the output from k // 2 pixels before its
        own place to k // 2 pixels after it.
      scale: r.
    """
    # An input pixel contributes to taps // 2 blocks of r before its own, (taps - 1) // 2 after it.
    reach = size // 2
    return max(2 * -(-reach // scale), 2 * (reach // scale) + 1)


def _transposed_kernel(weight: jax.Array, scale: int) -> jax.Array:
    """Returns the kernel in the layout "subpixel" of a PyTorch ConvTranspose2d, (in, out, k, k)."""
    size = weight.shape[2]
    taps = transposed_size(size, scale)
    before = (taps // 2) * scale - size // 2
    pads = (before, taps * scale - size - before)
    padded = jnp.pad(weight, ((0, 0), (0, 0), pads, pads))
    kernel = kernels.from_torch_conv_transpose(padded)
    return kernels.convert(kernel, scale, "conv_transpose", "subpixel")


def _notes(assumed: Mapping[str, str]) -> tuple[str, ...]:
    if not assumed:
        return ()
    options = " or ".join(f"--{option}" for option in assumed)
    values = " and ".join(f"{option} {value}" for option, value in assumed.items())
    return (f"the file does not state its activations: {values} assumed; {options} says otherwise",)
