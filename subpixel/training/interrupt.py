"""A clean stop when somebody presses Ctrl-C or a scheduler sends SIGTERM."""

import signal
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Notes the first SIGINT or SIGTERM, for the loop to stop after its step.

    A second one has its usual effect, at once.

    Attributes:
      signal: the number of the signal that came, or None.
    """

    def __init__(self):
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
