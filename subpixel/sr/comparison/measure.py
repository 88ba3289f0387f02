"""Measurements of compiled programs: times, interleaved; compile time; temporary memory."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache.compilation_cache import reset_cache

# The threads of one library stay busy for some milliseconds after its work is done. The pause keeps
# them off the cores while the other library is timed.
PAUSE_S = 0.1


@dataclass(frozen=True)
class Times:
    """Times of repeated calls, in milliseconds.

    Attributes:
      wall: elapsed time of each call.
      cpu: processor time of each call, all threads of this process together; empty if the calls
        were made in another process.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The median elapsed time."""
        return float(np.median(self.wall))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile of the elapsed time."""
        first, third = np.percentile(self.wall, (25, 75))
        return float(first), float(third)

    @property
    def cpu_median(self) -> float | None:
        """The median processor time; None if it was not measured."""
        return float(np.median(self.cpu)) if self.cpu else None


def time_interleaved(
    functions: Mapping[str, Callable[[], Any]],
    rounds: int,
    *,
    warmup: int = 2,
    repeat: int = 1,
    elsewhere: Callable[[], Mapping[str, float]] | None = None,
    pause_s: float = 0.0,
) -> dict[str, Times]:
    """Times functions, interleaved: each round calls each function once.

    A slow moment of the machine affects all functions alike.

    Args:
      functions: functions by name; a call ends when the arrays that it returns are ready.
      rounds: number of rounds that are timed.
      warmup: number of calls of each function before the first round.
      repeat: number of timed calls of a function in a round; their mean is one time. If it is above
        1, one call that is not timed precedes them, so that memory and caches are as in a loop.
      elsewhere: function that times programs of another process and returns milliseconds by name;
        each round calls it once, between two pauses.
      pause_s: seconds of pause before each function, for functions of libraries that keep threads
        of their own.

    Returns:
      The times by name: `functions` first, then the names that `elsewhere` returned.
    """
    for _ in range(warmup):
        for function in functions.values():
            jax.block_until_ready(function())
    wall: dict[str, list[float]] = {name: [] for name in functions}
    cpu: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            if pause_s:
                time.sleep(pause_s)
            elapsed, busy = _time(function, repeat)
            wall[name].append(elapsed)
            cpu[name].append(busy)
        if elsewhere is not None:
            time.sleep(PAUSE_S)
            for name, milliseconds in elsewhere().items():
                wall.setdefault(name, []).append(milliseconds)
            time.sleep(PAUSE_S)
    return {name: Times(tuple(of), tuple(cpu.get(name, ()))) for name, of in wall.items()}


def _time(function: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Returns the elapsed and the processor time of a call in milliseconds; see `repeat` above."""
    if repeat > 1:
        jax.block_until_ready(function())
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        jax.block_until_ready(function())
    elapsed, busy = time.perf_counter() - start, time.process_time() - busy
    return elapsed * 1e3 / repeat, busy * 1e3 / repeat


def temporary_mib(compiled: jax.stages.Compiled) -> float | None:
    """Returns the memory that XLA reserves for intermediate results, in MiB; None if not known."""
    memory = compiled.memory_analysis()
    return None if memory is None else memory.temp_size_in_bytes / 2**20


def compile_anew(
    lower: Callable[[], jax.stages.Lowered], options: Mapping[str, str | bool] | None = None
) -> tuple[jax.stages.Compiled, float]:
    """Lowers and compiles a program without JAX's persistent compilation cache.

    JAX also keeps the trace of a function in memory, by the identity of the function. For a time
    that includes tracing, `lower` makes a new function in each call.

    Args:
      lower: traces and lowers the program.
      options: XLA options of the compilation.

    Returns:
      The compiled program, and the seconds of lowering and compilation together.
    """
    kept = jax.config.values["jax_enable_compilation_cache"]
    _set_compilation_cache(False)
    try:
        start = time.perf_counter()
        compiled = lower().compile(dict(options or {}))
        return compiled, time.perf_counter() - start
    finally:
        _set_compilation_cache(kept)


def _set_compilation_cache(enabled: bool) -> None:
    jax.config.update("jax_enable_compilation_cache", enabled)
    # JAX reads the setting once, at the first compilation after a reset.
    reset_cache()
