"""Arguments that are given once for all axes or once for each: numbers, padding, batch axes."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from subpixel._compat import explicit_sharding, reshape

Padding = str | Sequence[tuple[int, int]]


def is_single(value: Any) -> bool:
    """Returns whether an argument is one value for all axes, not one for each."""
    is_scalar = getattr(value, "ndim", None) == 0
    return is_scalar or isinstance(value, str | bytes) or not isinstance(value, Iterable)


def whole_numbers(
    name: str, value: Any, ndim: int | None, *, least: int | None = 1, repeat: bool = True
) -> tuple[int, ...]:
    """Returns one integer for each spatial axis.

    Args:
      name: name of the argument, for messages.
      value: an integer, or a sequence or array of integers.
      ndim: number of axes; None means one axis for an integer, else the length of the sequence.
      least: smallest integer allowed, or None.
      repeat: whether an integer stands for every axis; otherwise it is refused.

    Raises:
      TypeError: if the value is not made of integers.
      ValueError: if the sequence has another length than `ndim`, or an integer is too small.
    """
    single = repeat and is_single(value)
    entries: Any = (value,) if single else value
    try:
        if isinstance(entries, Set | Mapping):  # they have no order of axes
            raise TypeError
        numbers = tuple(operator.index(entry) for entry in entries)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number for each spatial axis; got {value!r}"
        ) from None
    if single and ndim is not None:
        numbers *= ndim
    if ndim is not None and len(numbers) != ndim:
        raise ValueError(
            f"{name} has {len(numbers)} entries, {numbers}, but there are {ndim} spatial axes: "
            "give one for each"
        )
    if least is not None and min(numbers, default=least) < least:
        raise ValueError(f"{name} must be at least {least} on every axis; got {numbers}")
    return numbers


def padding_pairs(padding: Any, ndim: int, *, names: tuple[str, ...] = ("SAME", "VALID")) -> Any:
    """Returns the name of a padding as it is, or one (before, after) pair for each axis.

    Raises:
      ValueError: if the name is not one of `names`, or the pairs do not fit the axes.
    """
    if isinstance(padding, str) and padding in names:
        return padding
    try:
        if isinstance(padding, str | Set | Mapping):
            raise TypeError
        pairs = tuple((operator.index(low), operator.index(high)) for low, high in padding)
        if len(pairs) != ndim:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(
            f'padding must be "SAME", "VALID" or a (low, high) pair of whole numbers for each of '
            f"{ndim} spatial axes; got {padding!r}"
        ) from None
    return pairs


def with_one_batch_axis(
    function: Callable[[jax.Array], jax.Array], x: jax.Array, ndim: int
) -> jax.Array:
    """Applies a function of (n, s1, ..., sd, c) to an array with any number of batch axes.

    The batch axes are merged before the call and split after it. The sharding of the batch on a
    mesh with explicit axes is kept.
    """
    count = x.ndim - ndim - 1
    if count == 1:
        return function(x)
    batch = x.shape[:count]
    spec = partition(x)
    merged = tuple(name for entry in spec[:count] for name in _names(entry))
    y = function(reshape(x, (math.prod(batch), *x.shape[count:]), (merged or None, *spec[count:])))
    return reshape(y, (*batch, *y.shape[1:]), (*spec[:count], *partition(y)[1:]))


def add_bias(y: jax.Array, bias: ArrayLike | None) -> jax.Array:
    """Adds one number to each channel, the last axis; None adds nothing.

    Raises:
      ValueError: unless the bias has one number for each channel: others would broadcast.
    """
    if bias is None:
        return y
    bias = jnp.asarray(bias)
    if bias.shape != y.shape[-1:]:
        raise ValueError(
            f"the bias must have one number for each of {y.shape[-1]} channels, shape "
            f"{y.shape[-1:]}; got the shape {bias.shape}"
        )
    return y + reshape(bias, (1,) * (y.ndim - 1) + bias.shape)


def partition(x: jax.Array) -> tuple:
    """Returns how each axis is divided over the explicit axes of a mesh: names, or None."""
    sharding = explicit_sharding(x)
    spec = () if sharding is None else tuple(sharding.spec)
    return spec + (None,) * (x.ndim - len(spec))


def _names(entry: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)
