"""What a training shows: a progress bar on the console, and a profiler trace of a few steps."""

import time
from pathlib import Path
from typing import Self

import jax
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from subpixel.sr.training.state import RunState

# The first steps are slower because caches are cold; a trace of many steps is slow to open.
WARM_UP, TRACED = 10, 10


class Display:
    """A progress bar with steps per second, loss, validation PSNR and remaining time."""

    def __init__(self, console: Console, steps: int, run: RunState):
        """Prepares the bar.

        Args:
          console: where it is drawn.
          steps: number of steps of the whole run.
          run: the run state at the beginning, which may be that of a checkpoint.
        """
        self._console = console
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[rate]}{task.fields[loss]}{task.fields[psnr]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(
            "", total=steps, completed=run.step, rate="", loss="", psnr=""
        )
        self._began, self._first = time.perf_counter(), run.step

    def step(self, run: RunState) -> None:
        """Shows the step count and the speed."""
        rate = (run.step - self._first) / (time.perf_counter() - self._began)
        self._bar.update(self._task, completed=run.step, rate=f"{rate:.1f} steps/s")

    def loss(self, value: float | None) -> None:
        """Shows the loss of the first upsampler."""
        self._bar.update(self._task, loss="" if value is None else f"  loss {value:.2e}")

    def validation(self, run: RunState) -> None:
        """Shows the validation PSNR of every upsampler in a permanent line."""
        shown = "  ".join(f"{name} {value:.2f}" for name, value in run.validation.items())
        self._console.print(f"step {run.step}  validation dB  {shown}", soft_wrap=True)
        self._bar.update(self._task, psnr=f"  {next(iter(run.validation.values())):.2f} dB")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


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
