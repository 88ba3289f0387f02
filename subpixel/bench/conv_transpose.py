"""Measures `subpixel.conv_transpose` beside native JAX, and beside PyTorch if it is installed."""

import functools
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import lax

from subpixel.bench.geometries import GEOMETRIES, Geometry
from subpixel.measure import environment
from subpixel.transposed import Method, conv_transpose

PROGRAMS = ("forward", "gradients")


@dataclass(frozen=True)
class Program:
    """A compiled computation and what the compiler said of it."""

    run: Callable[[], Any]
    compile_s: float
    temp_mib: float


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
    with _torch_process(torch and importlib.util.find_spec("torch") is not None) as ask:
        for name in names or known:
            progress(name)
            geometry = known[name]
            if ask is not None:
                facts |= ask(vars(geometry))
            results[name] = {
                program: _race(
                    {
                        library: compile_program(geometry, function, program)
                        for library, function in (
                            ("native", lax.conv_transpose),
                            ("subpixel", functools.partial(conv_transpose, method=method)),
                        )
                    },
                    None if ask is None else functools.partial(ask, {"run": program}),
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
    start = time.perf_counter()
    compiled = jax.jit(forward if program == "forward" else gradients).lower(*operands).compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    temp = float("nan") if memory is None else memory.temp_size_in_bytes / 2**20
    return Program(lambda: compiled(*operands), seconds, temp)


def _race(
    programs: dict[str, Program], torch: Callable[[], dict[str, float]] | None, rounds: int
) -> dict[str, dict[str, Any]]:
    for program in programs.values():
        jax.block_until_ready(program.run())
        jax.block_until_ready(program.run())
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(rounds):
        for library, program in programs.items():
            start, busy = time.perf_counter(), time.process_time()
            jax.block_until_ready(program.run())
            wall.setdefault(library, []).append((time.perf_counter() - start) * 1e3)
            cpu.setdefault(library, []).append((time.process_time() - busy) * 1e3)
        if torch is not None:
            for layout, milliseconds in torch().items():
                wall.setdefault(f"torch, {layout}", []).append(milliseconds)
    figures: dict[str, dict[str, Any]] = {}
    for library, times in wall.items():
        quartiles = np.percentile(times, [25, 75])
        figures[library] = {
            "median_ms": float(np.median(times)),
            "quartiles_ms": [float(q) for q in quartiles],
        }
    for library, program in programs.items():
        figures[library] |= {
            "cpu_ms": float(np.median(cpu[library])),
            "compile_s": program.compile_s,
            "temp_mib": program.temp_mib,
        }
    return figures


@contextmanager
def _torch_process(
    wanted: bool,
) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]] | None]:
    """Starts PyTorch's process and yields a function that asks it one thing, or None."""
    if not wanted:
        yield None
        return
    worker = Path(__file__).with_name("torch_worker.py")
    with subprocess.Popen(
        [sys.executable, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("PyTorch's process has no pipes")
        stdin, stdout = process.stdin, process.stdout

        def ask(order: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(order), file=stdin, flush=True)
            reply = stdout.readline()
            if not reply:
                raise RuntimeError("PyTorch's process ended; its error stands above")
            return json.loads(reply)

        yield ask
        stdin.close()
