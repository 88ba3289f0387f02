"""Measures `subpixel.conv_transpose` beside native JAX, and beside PyTorch if it is installed."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from subpixel.ops.conv_transpose import Method, conv_transpose
from subpixel.sr._support.environment import environment
from subpixel.sr.bench.race import Program, race, torch_process
from subpixel.sr.comparison.measure import compile_anew, temporary_mib
from subpixel.sr.compile.geometries import GEOMETRIES, Geometry

PROGRAMS = ("forward", "gradients", "layer")


def measure_geometries(
    names: Sequence[str] = (),
    *,
    rounds: int = 15,
    torch: bool = True,
    method: Method = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measures each geometry's programs, interleaved.

    The programs are those of `compile_program`.

    Args:
      names: geometries to measure (default: all).
      rounds: number of timed calls of each program.
      torch: whether to measure PyTorch too, if it is installed.
      method: method of our function, as in `subpixel.conv_transpose`.
      progress: receives the name of each geometry before its measurement.

    Returns:
      ``{"environment": ..., "rounds": ..., "method": ..., "cotangent": ..., "geometries": {name:
      {program: {library: times}}}}``; the times are ``median_ms``, ``quartiles_ms`` and, for JAX,
      ``cpu_ms``, ``compile_s`` and ``temp_mib``. "cotangent" is "dependent"; results of earlier
      versions lack this key, and their cotangent was an argument.

    Raises:
      ValueError: if a name is unknown.
    """
    known = {geometry.name: geometry for geometry in GEOMETRIES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown geometries {unknown}: the names are {list(known)}")
    results: dict[str, Any] = {}
    facts = environment()
    with torch_process(torch) as ask:
        for name in names or known:
            progress(name)
            geometry = known[name]
            if ask is not None:
                facts |= ask({"prepare": "conv_transpose", **vars(geometry)})
            results[name] = {
                program: race(
                    {
                        library: compile_program(geometry, function, program)
                        for library, function in (
                            ("native", lax.conv_transpose),
                            ("subpixel", functools.partial(conv_transpose, method=method)),
                        )
                    },
                    None if ask is None else functools.partial(ask, {"run": program, "repeat": 1}),
                    rounds,
                )
                for program in PROGRAMS
            }
    return {
        "environment": facts,
        "rounds": rounds,
        "method": method,
        "cotangent": "dependent",
        "geometries": results,
    }


def compile_program(geometry: Geometry, function: Callable[..., Any], program: str) -> Program:
    """Compiles one library's program for a geometry.

    The cotangent depends on the output, as in a training. XLA can fuse the computation of such a
    cotangent into the gradients, which it cannot do with an argument.

    Args:
      geometry: shapes and strides.
      function: called as `jax.lax.conv_transpose`.
      program: "forward" for the output y; "gradients" for y and the gradients of sum(y^2) with
        respect to the input and the kernel; "layer" for z = relu(y + bias) and the gradients of
        sum(z^2) with respect to the input, the kernel and the bias.

    Returns:
      The compiled program, its compile time and its temporary memory.
    """
    rng = np.random.default_rng(0)
    shapes = (geometry.x, geometry.kernel, (geometry.out,))
    x, w, bias = (jnp.asarray(rng.standard_normal(shape), "float32") for shape in shapes)

    def forward(x, w):
        return function(x, w, geometry.strides, "SAME")

    def gradients(x, w, *bias):
        def loss(x, w, *bias):
            y = forward(x, w)
            if bias:
                y = jax.nn.relu(y + bias[0])
            return jnp.sum(y**2), y

        (_, y), gradients = jax.value_and_grad(loss, range(2 + len(bias)), has_aux=True)(
            x, w, *bias
        )
        return y, *gradients

    operands = (x, w, bias) if program == "layer" else (x, w)
    jitted = jax.jit(forward if program == "forward" else gradients)
    compiled, seconds = compile_anew(lambda: jitted.lower(*operands))
    return Program(lambda: compiled(*operands), seconds, temporary_mib(compiled))
