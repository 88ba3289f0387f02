"""What a training shows on the console while it goes on."""

import time
from typing import Self

from rich import progress
from rich.console import Console

from subpixel.sr.training.checkpoints import Progress
from subpixel.sr.training.config import TrainingConfig


class Display:
    """A bar with steps a second, loss, validation PSNR and the time left."""

    def __init__(self, console: Console, experiment: TrainingConfig, run: Progress):
        self._console = console
        self._last = experiment.steps
        self._bar = progress.Progress(
            progress.TextColumn("step"),
            progress.MofNCompleteColumn(),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[rate]}{task.fields[loss]}{task.fields[figure]}"),
            progress.TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(
            "", total=self._last, completed=run.step, rate="", loss="", figure=""
        )
        self._began, self._first = time.perf_counter(), run.step

    def step(self, run: Progress) -> None:
        """Shows that a step was taken."""
        rate = (run.step - self._first) / (time.perf_counter() - self._began)
        self._bar.update(self._task, completed=run.step, rate=f"{rate:.1f} steps/s")

    def loss(self, value: float | None) -> None:
        """Shows the loss of the first upsampler."""
        self._bar.update(self._task, loss="" if value is None else f"  loss {value:.2e}")

    def validation(self, run: Progress) -> None:
        """Shows the PSNR of every upsampler, in a line that stays."""
        shown = "  ".join(f"{name} {value:.2f}" for name, value in run.validation.items())
        self._console.print(f"step {run.step}  validation dB  {shown}", soft_wrap=True)
        self._bar.update(self._task, figure=f"  {next(iter(run.validation.values())):.2f} dB")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
