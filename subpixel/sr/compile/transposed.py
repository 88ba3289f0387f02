"""Transposed convolutions of well-known networks, compiled for a target by each method."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import jax
from jax import lax

from subpixel.ops.conv_transpose import Method, conv_transpose
from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.facts import Facts, collect
from subpixel.sr.compile.geometries import GEOMETRIES, Geometry
from subpixel.sr.compile.program import Program, compile_for
from subpixel.sr.compile.targets import Target

DTYPES = ("float32", "bfloat16")

# JAX's own function, then each of ours.
LAX = "jax.lax"
METHODS = (LAX, *get_args(Method))


def check_geometries(names: Sequence[str], methods: Sequence[str] = ()) -> None:
    """Checks that the geometries and the methods of these names exist.

    Raises:
      InputError: naming the unknown ones, and all that exist.
    """
    known = [geometry.name for geometry in GEOMETRIES]
    for what, given, all_names in (("geometries", names, known), ("methods", methods, METHODS)):
        unknown = [name for name in given if name not in all_names]
        if unknown:
            raise InputError(f"unknown {what} {unknown}: the names are {list(all_names)}")


def compile_geometries(
    target: Target, names: Sequence[str] = (), methods: Sequence[str] = ()
) -> Iterator[Facts]:
    """Compiles each geometry by each method, in float32 and bfloat16, one by one.

    The methods are `LAX` and those of `subpixel.conv_transpose`; none stands for all.
    """
    for geometry in GEOMETRIES:
        if names and geometry.name not in names:
            continue
        useful = math.prod(geometry.x[:-1]) * math.prod(geometry.kernel)
        for dtype in DTYPES:
            for method in methods or METHODS:
                subject = {"geometry": geometry.name, "dtype": dtype, "method": method}
                for program, results in (("forward", 1), ("gradients", 3)):
                    make = functools.partial(
                        compile_geometry, geometry, dtype, method, program, target
                    )
                    yield collect(target, subject, program, results * useful, make)


def compile_geometry(
    geometry: Geometry, dtype: str, method: str, program: str, target: Target
) -> Program:
    """Compiles one program for one device.

    It is "forward", for the output, or "gradients", for the output and the gradients of input and
    kernel of the sum of its squares: the cotangent depends on the output, as in a training.
    """
    function: Callable[..., jax.Array] = lax.conv_transpose
    if method != LAX:
        function = functools.partial(conv_transpose, method=method)  # pyright: ignore[reportArgumentType]

    def forward(x: jax.Array, w: jax.Array) -> jax.Array:
        return function(x, w, geometry.strides, "SAME")

    def gradients(x: jax.Array, w: jax.Array) -> Any:
        y, pullback = jax.vjp(forward, x, w)
        return y, pullback(2 * y)

    x, w = (jax.ShapeDtypeStruct(shape, dtype) for shape in (geometry.x, geometry.kernel))
    return compile_for(target, forward if program == "forward" else gradients, x, w)
