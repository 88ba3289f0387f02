"""Progress of an enlargement on the console, and lines with notes and errors of single files."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich import progress
from rich.console import Console
from rich.text import Text

# How often a log file gets a line on a file.
LOG_SECONDS = 30


class BatchProgress:
    """A bar over all files, and lines with notes and errors of single files."""

    def __init__(self, console: Console, count: int):
        self._console, self._count = console, count
        self._begun = 0
        self._path = Path()
        self._said = time.perf_counter()
        self._notes: Counter[str] = Counter()
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=20),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            # A log file gets lines only.
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=count)

    def begin(self, path: Path) -> None:
        """Shows that work on a file has begun."""
        self._begun += 1
        self._path, self._said = path, time.perf_counter()
        name = _printable(f"{self._begun}/{self._count} {path.name}")
        self._bar.update(self._task, description=name)

    def advance(self, done: float, total: float | None) -> None:
        """Shows how much of the current file is done, in any unit."""
        part = min(done / total, 1.0) if total else 0.0
        self._bar.update(self._task, completed=self._begun - 1 + part)
        if not self._console.is_terminal and time.perf_counter() - self._said > LOG_SECONDS:
            self._said = time.perf_counter()
            left = self._bar.tasks[0].time_remaining
            remaining = "" if left is None else f", {left:.0f} s remain"
            self.say(f"{self._path.name}: {part:.0%}{remaining}")

    def note(self, path: Path, notes: Sequence[str]) -> None:
        """Shows the notes on a file; each is shown once, and counted."""
        for note in notes:
            if note not in self._notes:
                self.say(f"{path}: {note}")
            self._notes[note] += 1

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(Text(_printable(line)), soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        for note, count in self._notes.items():
            if count > 1:
                self.say(f"{count - 1} more files: {note}")


def _printable(text: str) -> str:
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()
