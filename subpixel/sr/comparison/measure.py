"""Measures speed side by side: in one process, in turn, after warming up."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache.compilation_cache import reset_cache


def time_in_turn(
    functions: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 2
) -> dict[str, np.ndarray]:
    """Calls each function once a round, so that what slows the machine slows all of them.

    Args:
      functions: by name; each returns arrays, which are waited for.
      rounds: timed calls of each.
      warmup: calls of each before those.

    Returns:
      Milliseconds, shape (rounds,), by name.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(warmup + rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            if turn >= warmup:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: np.array(values) for name, values in times.items()}


def compile_anew(
    lower: Callable[[], jax.stages.Lowered], options: Mapping[str, str | bool] | None = None
) -> tuple[jax.stages.Compiled, float]:
    """Lowers and compiles a program, whatever JAX has kept on disk of earlier compilations.

    Args:
      lower: traces and lowers it.
      options: XLA options of the compilation.

    Returns:
      The compiled program, and the seconds that both took.
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
    # JAX looks at the setting once, until it is told to forget what it saw.
    reset_cache()
