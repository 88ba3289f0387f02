"""Progress bar of a training on the console."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from subpixel.sr.training.run_state import RunState


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
