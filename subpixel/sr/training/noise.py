"""Keeps Orbax and its storage from printing the tracebacks of what they raise as well."""

import logging
import sys


def print_failures_once() -> None:
    """Leaves a failed save to the error that it ends in: a full disk is told in one line.

    Orbax logs each exception before it raises it. When the first of several writes has failed, it
    closes the event loop to which the others then report; and asyncio tells of those that nobody
    asked for when the process ends, so that this lasts as long as the process.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_no_exception)
    printed = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            printed(unraisable)

    sys.unraisablehook = hook


def _is_no_exception(record: logging.LogRecord) -> bool:
    return record.exc_info is None
