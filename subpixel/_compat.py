"""The differences between the versions of JAX and Flax that the library supports."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.extend.core import Primitive
from jax.sharding import AxisType, NamedSharding, PartitionSpec

# The base class of what NNX changes in place: modules, and its own lists and dictionaries.
NNX_NODE: type = getattr(nnx, "Pytree", nnx.Object)  # since Flax 0.12

_FLAX_ARGUMENTS = frozenset(inspect.signature(nnx.ConvTranspose.__init__).parameters)
# XLA of jaxlib 0.6.2 gives wrong values when it folds a constant gather and the elementwise
# operations on it into one constant; XLA of jaxlib 0.10.2 gives the right ones.
_FOLDS_CORRECTLY = jax.__version_info__ >= (0, 10)


def varying_axes(x: jax.Array) -> frozenset[str]:
    """Returns the mesh axes over which a value inside `jax.shard_map` differs."""
    aval = jax.typeof(x)
    kind = getattr(aval, "manual_axis_type", None)  # since JAX 0.10; before, `vma`
    return frozenset(getattr(aval, "vma", ()) if kind is None else kind.varying)


def mark_varying(x: jax.Array, axes: tuple[str, ...]) -> jax.Array:
    """Marks a value inside `jax.shard_map` as different over the mesh axes."""
    older = getattr(lax, "pvary", None)
    return (
        older(x, axes) if older and not hasattr(lax, "pcast") else lax.pcast(x, axes, to="varying")
    )


def unknown(shape: tuple[int, ...], like: jax.Array) -> Any:
    """Returns an argument for `jax.linear_transpose` with the dtype of an array.

    Inside `jax.shard_map` it is marked as different over the axes over which the array differs.
    Without the mark, the transposed function would sum its result over the devices.
    """
    axes = tuple(sorted(varying_axes(like)))
    if not axes:
        return jax.ShapeDtypeStruct(shape, like.dtype)
    return mark_varying(jnp.zeros(shape, like.dtype), axes)


def explicit_sharding(x: jax.Array) -> NamedSharding | None:
    """Returns the sharding of an array if its mesh has explicit axes, else None."""
    sharding = getattr(jax.typeof(x), "sharding", None)
    types = getattr(getattr(sharding, "mesh", None), "axis_types", ())
    return sharding if AxisType.Explicit in types else None


def whole_along(x: jax.Array, dimensions: range) -> jax.Array:
    """Keeps an array whole along some dimensions, where XLA divides it over the devices by itself.

    XLA's partitioner gives wrong values for convolutions of stride 1, and for kernel gradients of
    strided ones, whose images are divided along a spatial axis (docs/accelerators.md).
    """
    mesh: Any = getattr(getattr(jax.typeof(x), "sharding", None), "mesh", None)
    if set(getattr(mesh, "axis_types", None) or ()) != {AxisType.Auto} or mesh.size == 1:
        return x
    free = PartitionSpec.UNCONSTRAINED
    spec = PartitionSpec(*(None if i in dimensions else free for i in range(x.ndim)))
    return lax.with_sharding_constraint(x, NamedSharding(mesh, spec))


def reshape(x: jax.Array, shape: tuple[int, ...], spec: tuple = ()) -> jax.Array:
    """Reshapes an array; on a mesh with explicit axes the result has the sharding `spec`."""
    sharding = explicit_sharding(x)
    if sharding is None:
        return lax.reshape(x, shape)
    return lax.reshape(x, shape, out_sharding=NamedSharding(sharding.mesh, PartitionSpec(*spec)))


def zeros(shape: tuple[int, ...], like: jax.Array) -> jax.Array:
    """Returns zeros with the type of an array, and its sharding on a mesh with explicit axes."""
    return jnp.zeros(shape, like.dtype, device=explicit_sharding(like))


def not_constant_folded(x: jax.Array) -> jax.Array:
    """Prevents the constant folding of a gather's operand in versions of XLA that do it wrongly."""
    return x if _FOLDS_CORRECTLY else lax.optimization_barrier(x)


def resolve_precision(precision: Any) -> Any:
    """Returns the precision of a convolution, hashable, with JAX's current default for None.

    JAX's convolutions ignore the algorithm of a matrix product, such as "TF32_TF32_F32", and so
    does this function: a CPU has no matrix product with it.
    """
    if precision is None:
        precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    if type(precision) in (tuple, list):  # an algorithm is a named tuple
        return tuple(precision)
    try:
        return None if precision is None else lax.Precision(precision)
    except ValueError:
        return lax.Precision.DEFAULT


class Context:
    """A value that `jax.jit` includes in the key of its caches, where JAX has such values.

    ``with context(value):`` sets it, `value` reads it.
    """

    def __init__(self, name: str, *, default: Any):
        self._variable = ContextVar(name, default=default)
        make = getattr(jax, "make_user_context", None)
        self._jax = (lambda value: nullcontext()) if make is None else make(default)

    @property
    def value(self) -> Any:
        return self._variable.get()

    @contextmanager
    def __call__(self, value: Any) -> Iterator[None]:
        token = self._variable.set(value)
        try:
            with self._jax(value):
                yield
        finally:
            self._variable.reset(token)


def is_saveable(answer: object) -> bool:
    """Returns whether a checkpoint policy's answer, a bool or JAX's private enum, is to save."""
    return answer is True or type(answer).__name__ == "SaveableType"


def add_nan_check(primitive: Primitive) -> None:
    """Makes `checkify` check the primitive's results for NaN, as those of JAX's convolution."""
    # JAX has no public way to add a check. Where the private table has moved, there is none.
    checks = getattr(import_module("jax._src.checkify"), "error_checks", None)
    check = getattr(import_module("jax._src.checkify"), "nan_error_check", None)
    if checks is not None and check is not None:
        checks[primitive] = partial(check, primitive)


def _set_xla_metadata() -> Callable:
    # Imported when it is called, because `import subpixel` imports no experimental module of JAX.
    return import_module("jax.experimental.xla_metadata").set_xla_metadata


def can_mark_one_value() -> bool:
    """Returns whether JAX sets metadata on one value; older versions mark all in a context."""
    return "x" in inspect.signature(_set_xla_metadata()).parameters


def not_inlined(y: jax.Array) -> jax.Array:
    """Marks the result of a `jax.jit` function: XLA's CPU compiler does not inline that call.

    XLA does not fuse operations across the call. Where JAX cannot mark one value, nothing changes.
    """
    return _set_xla_metadata()(y, inlineable="false") if can_mark_one_value() else y


def supported_by_flax(options: dict) -> dict:
    """Returns the options that `flax.nnx.ConvTranspose` has in the installed version."""
    return {name: value for name, value in options.items() if name in _FLAX_ARGUMENTS}


def no_parameter():
    """Returns the value of an NNX attribute that may hold a parameter and does not."""
    return nnx.data(None) if hasattr(nnx, "data") else None
