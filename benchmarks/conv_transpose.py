"""Measures `subpixel.conv_transpose` beside native JAX, and beside PyTorch if it is installed.

python benchmarks/conv_transpose.py --rounds 9 --json FILE --chart FILE
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from jax import lax
from race import Program, race, torch_process

from subpixel.ops.conv_transpose import Method, conv_transpose
from subpixel.sr._support.console import make_console
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.comparison.measure import compile_anew, temporary_mib
from subpixel.sr.compile.geometries import GEOMETRIES, Geometry
from subpixel.sr.compile.transposed import check_geometries

PROGRAMS = ("forward", "gradients", "layer")


@dataclass(frozen=True)
class Options:
    """Measures transposed convolution: native JAX, ours and PyTorch, side by side."""

    only: tuple[str, ...] = ()
    """Names of geometries (default: all ten)."""
    rounds: int = 15
    """Timed calls of each program."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    method: Method = "auto"
    """Method of our transposed convolution; "auto" is JAX's own on a GPU."""
    json: Path | None = None
    """File for all results and the environment."""
    chart: Path | None = None
    """File for a chart, .png or .svg."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")
        if self.chart is not None and self.chart.suffix.lower() not in report.CHARTS:
            raise InputError(f"chart must end in {' or '.join(report.CHARTS)}; got {self.chart}")


def run(options: Options) -> int:
    """Measures, prints the tables and writes the files that are asked for."""
    check_outputs(options.json, options.chart)
    console = make_console()
    results = measure_geometries(
        options, lambda name: console.print(f"measuring {name}", style="dim")
    )
    report.show(results, console)
    if options.json is not None:
        write_json(options.json, results)
    if options.chart is not None:
        report.draw(results, options.chart)
    return 0


def measure_geometries(
    options: Options, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measures each geometry's programs, those of `compile_program`, interleaved.

    `progress` receives the name of each geometry before its measurement.

    Returns:
      ``{"environment": ..., "rounds": ..., "method": ..., "cotangent": ..., "geometries": {name:
      {program: {library: times}}}}``; the times are ``median_ms``, ``quartiles_ms`` and, for JAX,
      ``cpu_ms``, ``compile_s`` and ``temp_mib``. "cotangent" is "dependent"; results of earlier
      versions lack this key, and their cotangent was an argument.

    Raises:
      InputError: if a name is unknown.
    """
    check_geometries(options.only)
    known = {geometry.name: geometry for geometry in GEOMETRIES}
    results: dict[str, Any] = {}
    facts = environment()
    with torch_process(options.torch) as ask:
        for name in options.only or known:
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
                            ("subpixel", functools.partial(conv_transpose, method=options.method)),
                        )
                    },
                    None if ask is None else functools.partial(ask, {"run": program, "repeat": 1}),
                    options.rounds,
                )
                for program in PROGRAMS
            }
    return {
        "environment": facts,
        "rounds": options.rounds,
        "method": options.method,
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


def main() -> int:
    return run(parse_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    run_command(main)
