"""A PyTorch state dict as a chain of convolutions, in the order in which they compute.

Tensors are matched by their names and shapes, never by their position: `torch.save` keeps the
order of definition, other programs sort the keys, and buffers may stand between.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Shaped

from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation, OutputActivation

_WEIGHT_NORM = (
    ("weight_g", "weight_v", "weight"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1", "weight"),
)
# Counters that PyTorch and profilers leave beside the parameters.
_COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
_MOST_SHAPES = 12


@dataclass(frozen=True, eq=False)
class TorchConv:
    """A convolution of a PyTorch network.

    Attributes:
      name: of its module, such as "first_part.0".
      weight: (out, in, k, k), or (in, out, k, k) if it is transposed.
      bias: (out,); None if it has none.
      slopes: (out,) of the PReLU that follows; None if there is none.
    """

    name: str
    weight: Shaped[np.ndarray, "first second k k"]
    bias: Shaped[np.ndarray, "..."] | None = None
    slopes: Float32[np.ndarray, " first"] | None = None

    @property
    def size(self) -> int:
        """Height and width of the kernel."""
        return self.weight.shape[2]


@dataclass(frozen=True, eq=False)
class TorchChain:
    """A network of convolutions, each on the output of the one before.

    Attributes:
      hidden: all but the last.
      head: the last; its output is shuffled, or it is transposed.
      transposed: whether the last is a transposed convolution.
      channels: of the network's input and output.
      ignored: names of tensors that belong to no layer.
    """

    hidden: tuple[TorchConv, ...]
    head: TorchConv
    transposed: bool
    channels: Literal[1, 3]
    ignored: tuple[str, ...] = ()

    @property
    def has_prelu(self) -> bool:
        """Whether a PReLU follows every hidden convolution."""
        return bool(self.hidden) and all(conv.slopes is not None for conv in self.hidden)

    @property
    def lacks_prelu(self) -> bool:
        """Whether no PReLU follows any convolution."""
        return all(conv.slopes is None for conv in (*self.hidden, self.head))


@dataclass(frozen=True)
class TorchChoices:
    """What a PyTorch file does not state; None where the user does not say.

    Attributes:
      scale: r.
      activation: after every hidden layer.
      output_activation: at the end.
    """

    scale: int | None = None
    activation: Activation | None = None
    output_activation: OutputActivation | None = None


@dataclass(frozen=True, eq=False)
class TorchMatch:
    """A network that computes a chain.

    Attributes:
      config: of the network, a member of the union `ModelConfig`.
      params: for the upsampler "subpixel".
      notes: what was assumed, one line each.
      named: whether the names of the tensors are this network's, not only their shapes.
    """

    config: Any
    params: Any
    notes: tuple[str, ...] = ()
    named: bool = False


def read_chain(tensors: Mapping[str, Shaped[np.ndarray, "..."]]) -> TorchChain:
    """Returns the chain of convolutions of a state dict.

    Args:
      tensors: by name. Pairs of a weight normalisation are multiplied out.

    Raises:
      InputError: if the tensors are not those of one chain from 1 or 3 channels to as many, by a
        pixel shuffle or a transposed convolution.
    """
    modules, ignored = _modules(_fold_weight_norm(dict(tensors)))
    if _keys_are_sorted(tensors):
        # Sorted keys tell nothing of the order; numbers in the names do.
        modules = dict(sorted(modules.items(), key=lambda item: _natural(item[0])))
    convs = _convolutions(modules)
    for channels in (1, 3):
        chain = next(_chains(convs, channels), None)
        if chain is not None:
            return replace(chain, ignored=tuple(ignored))
    raise InputError(
        "its tensors are not a chain of convolutions with 1 or 3 channels at both ends, each on "
        f"the output of the one before: {_shapes(tensors)}"
    )


def _fold_weight_norm(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Multiplies the pairs of PyTorch's weight normalisation out: g * v / |v|."""
    folded: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        for length, direction, weight in _WEIGHT_NORM:
            prefix = name.removesuffix(length)
            if name.endswith(length) and prefix + direction in tensors:
                v = tensors[prefix + direction].astype(np.float64)
                axes = tuple(a for a in range(v.ndim) if tensor.ndim == 0 or tensor.shape[a] == 1)
                norm = np.sqrt((v**2).sum(axis=axes, keepdims=True))
                folded[prefix + weight] = (tensor * v / norm).astype(np.float32)
                break
            if name.endswith(direction) and name.removesuffix(direction) + length in tensors:
                break
        else:
            folded[name] = tensor
    return folded


def _modules(tensors: dict[str, np.ndarray]) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Groups tensors by their module, and returns those that are no parameter of a layer too."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    others: list[str] = []
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        if kind == "running_mean":
            raise InputError(f"{module} is a batch normalisation, which no network here has")
        if kind in ("weight", "bias") and tensor.ndim:
            modules.setdefault(module, {})[kind] = tensor
        elif kind not in _COUNTERS:
            others.append(name)
    for module in [name for name, parts in modules.items() if "weight" not in parts]:
        others.append(f"{module}.bias")
        del modules[module]
    return modules, others


def _convolutions(modules: dict[str, dict[str, np.ndarray]]) -> list[TorchConv]:
    """Returns the convolutions, each with the PReLU that follows it."""
    convs: list[TorchConv] = []
    slopes: list[np.ndarray] = []
    adjacent = True
    for name, parts in modules.items():
        weight, bias = parts["weight"], parts.get("bias")
        if weight.ndim == 4 and weight.shape[2] == weight.shape[3]:
            convs.append(TorchConv(name, weight, bias))
        elif weight.ndim == 1 and bias is None:
            adjacent &= bool(convs) and convs[-1].slopes is None and _fits(weight, convs[-1])
            if adjacent:
                convs[-1] = replace(convs[-1], slopes=_spread(weight, convs[-1]))
            slopes.append(weight)
        else:
            raise InputError(
                f"{name} has a weight of the shape {weight.shape}; only convolutions with square "
                "kernels and PReLU are read"
            )
    if adjacent:
        return convs
    # The activations are defined apart from the convolutions: they belong together in order, and
    # a single one serves every hidden convolution.
    plain = [replace(conv, slopes=None) for conv in convs]
    if len(slopes) == 1 and slopes[0].size == 1:
        slopes *= len(plain) - 1
    pairs = list(zip(plain, slopes, strict=False))
    if len(slopes) > len(plain) or not all(_fits(slope, conv) for conv, slope in pairs):
        raise InputError(f"its {len(slopes)} PReLU do not fit its {len(plain)} convolutions")
    withs = [replace(conv, slopes=_spread(slope, conv)) for conv, slope in pairs]
    return [*withs, *plain[len(withs) :]]


def _fits(slope: np.ndarray, conv: TorchConv) -> bool:
    return slope.size in (1, conv.weight.shape[0])


def _spread(slope: np.ndarray, conv: TorchConv) -> np.ndarray:
    return np.broadcast_to(slope, conv.weight.shape[:1]).astype(np.float32)


def _chains(convs: Sequence[TorchConv], channels: Literal[1, 3]) -> Iterator[TorchChain]:
    """Yields the chains that use every convolution, those nearest to the given order first."""
    attempts = 10_000

    def extend(done: tuple[TorchConv, ...], width: int) -> Iterator[TorchChain]:
        nonlocal attempts
        attempts -= 1
        rest = [conv for conv in convs if conv not in done]
        if len(rest) == 1:
            yield from _heads(done, rest[0], width, channels)
            return
        for conv in rest:
            if attempts > 0 and conv.weight.shape[1] == width and _is_plain(conv):
                yield from extend((*done, conv), conv.weight.shape[0])

    if convs:
        yield from extend((), channels)


def _heads(
    hidden: tuple[TorchConv, ...], head: TorchConv, width: int, channels: Literal[1, 3]
) -> Iterator[TorchChain]:
    first, second = head.weight.shape[:2]
    ratio = first // channels
    shuffles = first == channels * math.isqrt(ratio) ** 2 and ratio > 1
    if second == width and shuffles and _is_plain(head):
        yield TorchChain(hidden, head, False, channels)
    elif (first, second) == (width, channels) and _bias_fits(head, second):
        yield TorchChain(hidden, head, True, channels)


def _is_plain(conv: TorchConv) -> bool:
    # PyTorch pads an even kernel to another size than that of its input.
    return conv.size % 2 == 1 and _bias_fits(conv, conv.weight.shape[0])


def _bias_fits(conv: TorchConv, outputs: int) -> bool:
    return conv.bias is None or conv.bias.shape == (outputs,)


def _keys_are_sorted(tensors: Mapping[str, np.ndarray]) -> bool:
    return list(tensors) == sorted(tensors)


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key by which numbers in names are ordered as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _shapes(tensors: Mapping[str, np.ndarray]) -> str:
    shown = [f"{name} {tensor.shape}" for name, tensor in tensors.items()]
    more = f", and {len(shown) - _MOST_SHAPES} more" if len(shown) > _MOST_SHAPES else ""
    return ", ".join(shown[:_MOST_SHAPES]) + more
