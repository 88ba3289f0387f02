"""Clean stop of a training after Ctrl-C (SIGINT) or SIGTERM."""

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Records the first SIGINT or SIGTERM; a second one ends the process immediately.

    The training loop reads its number, or None, after each step and stops with a checkpoint.
    """

    def __init__(self):
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._record)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _record(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            end_at_once(number)
        self.signal = number


def end_at_once(number: int) -> NoReturn:
    """Ends the process without waiting for a save; a half-written checkpoint is never used."""
    # The progress bar hides the cursor.
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    os.write(2, f"{show_cursor}\nended at once, without saving\n".encode())
    os._exit(128 + number)
