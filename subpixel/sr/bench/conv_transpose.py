"""Measures `subpixel.conv_transpose` beside native JAX, and beside PyTorch if it is installed."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from subpixel.ops.conv_transpose import Method, conv_transpose
from subpixel.sr.bench.geometries import GEOMETRIES, Geometry
from subpixel.sr.bench.race import Program, race, torch_process
from subpixel.sr.comparison.measure import compile_anew
from subpixel.sr.environment import environment

PROGRAMS = ("forward", "gradients")


def measure(
    names: Sequence[str] = (),
    *,
    rounds: int = 15,
    torch: bool = True,
    method: Method = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Runs each geometry's programs in turn, round after round.

    A program is the forward pass, or "gradients": the forward pass and the gradients of the input
    and of the kernel, as a step of training needs them.

    Args:
      names: of the geometries; by default all.
      rounds: timed calls of each program.
      torch: whether to measure PyTorch too, where it is installed.
      method: of ours, as in `subpixel.conv_transpose`.
      progress: is told each geometry's name as it begins.

    Returns:
      ``{"environment": ..., "rounds": ..., "method": ..., "geometries": {name: {program: {library:
      figures}}}}``, the figures being ``median_ms``, ``quartiles_ms`` and, for JAX, ``cpu_ms``,
      ``compile_s`` and ``temp_mib``.

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
    return {"environment": facts, "rounds": rounds, "method": method, "geometries": results}


def compile_program(geometry: Geometry, function: Callable[..., Any], program: str) -> Program:
    """Compiles one library's program for a geometry."""
    rng = np.random.default_rng(0)
    shapes = (geometry.x, geometry.kernel, geometry.y)
    x, w, g = (jax.numpy.asarray(rng.standard_normal(s), "float32") for s in shapes)

    def forward(x, w):
        return function(x, w, geometry.strides, "SAME")

    def gradients(x, w, g):
        y, pullback = jax.vjp(forward, x, w)
        return y, *pullback(g)

    operands = (x, w) if program == "forward" else (x, w, g)
    jitted = jax.jit(forward if program == "forward" else gradients)
    compiled, seconds = compile_anew(lambda: jitted.lower(*operands))
    memory = compiled.memory_analysis()
    temp = float("nan") if memory is None else memory.temp_size_in_bytes / 2**20
    return Program(lambda: compiled(*operands), seconds, temp)
