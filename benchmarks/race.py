"""Times compiled programs of JAX, interleaved with PyTorch in a second process."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subpixel.sr.comparison.measure import time_interleaved


@dataclass(frozen=True)
class Program:
    """A program to time.

    Attributes:
      run: runs the program once.
      compile_s: seconds of lowering and compilation; None if not known.
      temp_mib: memory of the intermediate results in MiB; None if not known.
    """

    run: Callable[[], Any]
    compile_s: float | None
    temp_mib: float | None


def race(
    programs: Mapping[str, Program],
    torch: Callable[[], dict[str, float]] | None,
    rounds: int,
    repeat: int = 1,
    pause_s: float = 0.0,
) -> dict[str, dict[str, Any]]:
    """Times programs of JAX and of PyTorch, interleaved; see `time_interleaved`.

    Args:
      programs: programs of this process, by name.
      torch: times PyTorch once and returns milliseconds by memory layout; None without PyTorch.
      rounds: number of rounds.
      repeat: number of timed calls in a round; their mean is one time.
      pause_s: seconds of pause before each program of this process.

    Returns:
      "median_ms" and "quartiles_ms" of each name; "cpu_ms", "compile_s" and "temp_mib" too for
      programs of this process.
    """
    times = time_interleaved(
        {name: program.run for name, program in programs.items()},
        rounds,
        repeat=repeat,
        pause_s=pause_s,
        elsewhere=None if torch is None else lambda: _by_layout(torch()),
    )
    results: dict[str, dict[str, Any]] = {}
    for name, measured in times.items():
        results[name] = {
            "median_ms": measured.median,
            "quartiles_ms": list(measured.quartiles),
        }
        if name in programs:
            results[name] |= {
                "cpu_ms": measured.cpu_median,
                "compile_s": programs[name].compile_s,
                "temp_mib": programs[name].temp_mib,
            }
    return results


def _by_layout(milliseconds: Mapping[str, float]) -> dict[str, float]:
    return {f"torch, {layout}": value for layout, value in milliseconds.items()}


@contextmanager
def torch_process(
    wanted: bool, program: str = "torch_worker.py"
) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]] | None]:
    """Starts a process of PyTorch and yields a function that sends a request and returns the reply.

    It yields None if PyTorch is not wanted or not installed. `program`, a file beside this one,
    answers each line of JSON with one.
    """
    if not wanted or importlib.util.find_spec("torch") is None:
        yield None
        return
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(program))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process only, which ends the other
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process of PyTorch has no pipes")
        stdin, stdout = process.stdin, process.stdout

        def ask(order: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(order), file=stdin, flush=True)
            reply = stdout.readline()
            if not reply:
                raise RuntimeError("the process of PyTorch ended; its error is printed above")
            return json.loads(reply)

        try:
            yield ask
        except BaseException:
            process.kill()
            raise
        stdin.close()
