"""Clean stops when somebody presses Ctrl-C or a scheduler sends SIGTERM."""

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Notes the first SIGINT or SIGTERM, for the loop to stop after its step; ends at a second.

    Attributes:
      signal: the number of the signal that came, or None.
    """

    def __init__(self):
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            end_at_once(number)
        self.signal = number


def end_at_once(number: int) -> NoReturn:
    """Ends the process without waiting for a save: what is half written does not count."""
    # The progress bar has hidden the cursor.
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    os.write(2, f"{show_cursor}\nended at once, without saving\n".encode())
    os._exit(128 + number)
