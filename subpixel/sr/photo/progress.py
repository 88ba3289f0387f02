"""Progress of an enlargement on the console: files, megapixels per second, remaining time."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich import progress
from rich.console import Console
from rich.text import Text

# How often a log file gets a line on a video.
LOG_SECONDS = 30


class BatchProgress:
    """A bar over the megapixels of all files, and lines with notes and errors of single files.

    Args:
      console: for the bar, and for errors and notes.
      sizes: of the files in their order, in megapixels of the input; 0 where it is unknown.
    """

    def __init__(self, console: Console, sizes: Sequence[float]):
        self._console = console
        self._sizes = list(sizes)
        self._files = self._done_before = 0
        self._computed = self._current = 0.0
        self._began = self._said = time.perf_counter()
        self._notes: Counter[str] = Counter()
        self._bar = progress.Progress(
            progress.TextColumn("{task.fields[files]}"),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[name]}", markup=False),
            console=console,
            # A log file gets the lines of single files only.
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=sum(sizes), files="", rate="", name="")
        self._show()

    def begin(self, path: Path) -> None:
        """Shows that work on a file has begun."""
        self._current = 0.0
        self._said = time.perf_counter()
        self._bar.update(self._task, name=_printable(path.name))

    def advance(self, pixels: int) -> None:
        """Shows that pixels of the current file were enlarged."""
        self._current += pixels / 1e6
        self._computed += pixels / 1e6
        self._show()

    def video(self, path: Path, done: float, total: float | None, pixels: int) -> None:
        """Shows how far a video is, in seconds, and that pixels of it were enlarged."""
        of = f" of {total:.1f}" if total else ""
        name = _printable(f"{path.name} {done:.1f}{of} s")
        self._bar.update(self._task, name=name)
        self.advance(pixels)
        # A log file gets a line from time to time.
        if not self._console.is_terminal and time.perf_counter() - self._said > LOG_SECONDS:
            self._said = time.perf_counter()
            remaining = self._bar.tasks[0].time_remaining
            left = "" if remaining is None else f", {remaining:.0f} s remain"
            self._say(f"{name}{left}")

    def finish(self, path: Path, notes: Sequence[str]) -> None:
        """Shows that the current file is done, and its notes; each note is shown once."""
        self._close()
        for note in notes:
            if note not in self._notes:
                self._say(f"{path}: {note}")
            self._notes[note] += 1

    def fail(self, line: str) -> None:
        """Shows that the current file failed, and why."""
        self._close()
        self._say(f"error: {line}")

    def skip(self) -> None:
        """Shows that the result of the current file was present already."""
        self._close()

    def _close(self) -> None:
        self._current = 0.0
        self._done_before += 1
        self._show()

    def _say(self, line: str) -> None:
        self._console.print(Text(_printable(line)), soft_wrap=True)

    def _show(self) -> None:
        elapsed = max(time.perf_counter() - self._began, 1e-9)
        completed = sum(self._sizes[: self._done_before]) + self._current
        rate = f"{self._computed / elapsed:.2f} MP/s" if self._computed else ""
        self._bar.update(
            self._task,
            completed=completed,
            files=f"{self._done_before}/{len(self._sizes)} files",
            rate=rate,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        for note, count in self._notes.items():
            if count > 1:
                self._say(f"{count - 1} more files: {note}")


def _printable(text: str) -> str:
    """Returns a name in one line, as the console's encoding can show it."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()
