"""Races programs of JAX, and of PyTorch in a second process, whose rounds alternate."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

# Threads of either library spin for some milliseconds after their work, on the cores that the other
# is to use next.
PAUSE_S = 0.1


@dataclass(frozen=True)
class Program:
    """A compiled computation and what the compiler said of it."""

    run: Callable[[], Any]
    compile_s: float
    temp_mib: float


def race(
    programs: dict[str, Program],
    torch: Callable[[], dict[str, float]] | None,
    rounds: int,
    repeat: int = 1,
) -> dict[str, dict[str, Any]]:
    """Calls every program once a round, in turn, so that what slows the machine slows all.

    Args:
      programs: JAX's, by name.
      torch: times PyTorch's once and returns milliseconds by memory layout; None without PyTorch.
      rounds: turns of each.
      repeat: timed calls in a turn, whose mean counts. If several, one that is not timed comes
        first: what follows finds memory and caches as a loop does.

    Returns:
      ``{name: figures}``, the figures being ``median_ms``, ``quartiles_ms`` and, for JAX,
      ``cpu_ms``, ``compile_s`` and ``temp_mib``.
    """
    for program in programs.values():
        jax.block_until_ready(program.run())
        jax.block_until_ready(program.run())
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(rounds):
        for library, program in programs.items():
            if repeat > 1:
                jax.block_until_ready(program.run())
            start, busy = time.perf_counter(), time.process_time()
            for _ in range(repeat):
                jax.block_until_ready(program.run())
            wall.setdefault(library, []).append((time.perf_counter() - start) * 1e3 / repeat)
            cpu.setdefault(library, []).append((time.process_time() - busy) * 1e3 / repeat)
        if torch is not None:
            time.sleep(PAUSE_S)
            for layout, milliseconds in torch().items():
                wall.setdefault(f"torch, {layout}", []).append(milliseconds)
            time.sleep(PAUSE_S)
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
def torch_process(
    wanted: bool,
) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]] | None]:
    """Starts PyTorch's process and yields a function that asks it one thing.

    It yields None if PyTorch is not wanted or not installed.
    """
    if not wanted or importlib.util.find_spec("torch") is None:
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
