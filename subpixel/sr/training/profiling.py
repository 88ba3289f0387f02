"""Profiler trace of a few training steps."""

from pathlib import Path
from typing import Self

import jax
from rich.console import Console

# The first steps are slower because caches are cold; a trace of many steps is slow to open.
WARM_UP, TRACED = 10, 10


class Profiler:
    """Traces ten steps after a warm-up into a folder that xprof opens.

    Without a folder it does nothing.
    """

    def __init__(self, folder: Path | None, console: Console):
        self._folder = folder
        self._console = console
        self._steps = 0
        self._tracing = False

    def step(self) -> None:
        """Counts a step; starts or stops the trace."""
        self._steps += 1
        if self._folder is not None and self._steps == WARM_UP:
            jax.profiler.start_trace(self._folder)
            self._tracing = True
        elif self._steps == WARM_UP + TRACED:
            self._stop()

    def _stop(self) -> None:
        if self._tracing:
            self._tracing = False
            jax.profiler.stop_trace()
            self._console.print(f"trace: xprof --logdir={self._folder}", soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
