"""What a training shows: a progress bar on the console, and a profiler trace of a few steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
        """Prepares the bar of a run of so many steps, which may begin at a checkpoint."""
        self._console = console
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=steps, completed=run.step)
        self._began, self._first = time.perf_counter(), run.step
        self._loss = self._psnr = ""

    def step(self, run: RunState) -> None:
        """Shows the step count and the speed."""
        rate = (run.step - self._first) / (time.perf_counter() - self._began)
        shown = f"{rate:.1f} steps/s{self._loss}{self._psnr}"
        self._bar.update(self._task, completed=run.step, description=shown)

    def loss(self, value: float | None) -> None:
        """Shows the loss of the first upsampler from the next step on."""
        self._loss = "" if value is None else f"  loss {value:.2e}"

    def validation(self, run: RunState) -> None:
        """Shows the validation PSNR of every upsampler in a permanent line."""
        shown = "  ".join(f"{name} {value:.2f}" for name, value in run.validation.items())
        self._console.print(f"step {run.step}  validation dB  {shown}", soft_wrap=True)
        self._psnr = f"  {next(iter(run.validation.values())):.2f} dB"

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


@contextmanager
def traced_steps(folder: Path | None, console: Console) -> Iterator[Callable[[], None]]:
    """Traces ten steps after a warm-up into a folder that xprof opens, or nothing without one.

    Yields a function to call after each step.
    """
    number = 0

    def stop() -> None:
        jax.profiler.stop_trace()
        console.print(f"trace: xprof --logdir={folder}", soft_wrap=True)

    with ExitStack() as trace:

        def step() -> None:
            nonlocal number
            number += 1
            if folder is not None and number == WARM_UP:
                jax.profiler.start_trace(folder)
                trace.callback(stop)
            elif number == WARM_UP + TRACED:
                trace.close()

        yield step
