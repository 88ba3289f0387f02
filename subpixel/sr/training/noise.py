"""Silence for errors that Orbax reports more than once."""

import gc
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orbax.checkpoint as ocp

ORBAX = str(Path(ocp.__file__).parent)
# Tensorstore's errors of the file system contain this field.
STORAGE_ERROR = "os_error_code="
# Seconds to wait for a write that does not end, such as one to a network disk.
PATIENCE = 30


@contextmanager
def suppress_duplicate_tracebacks() -> Iterator[None]:
    """Suppresses duplicate Orbax tracebacks; the save itself raises one error.

    Three reports of a failed save are suppressed inside the context, and nothing else: Orbax logs
    an exception before it raises it; asyncio logs the exceptions of other writes of the same save,
    whose results nobody reads; and those writes find their event loop closed.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    report = sys.unraisablehook

    def report_others(unraisable: "sys.UnraisableHookArgs") -> None:
        if not _is_closed_loop(unraisable.exc_value):
            report(unraisable)

    for logger in loggers:
        logger.addFilter(_is_news)
    sys.unraisablehook = report_others
    try:
        yield
    except BaseException:
        _wait_for_reports()
        raise
    finally:
        sys.unraisablehook = report
        for logger in loggers:
            logger.removeFilter(_is_news)


def _wait_for_reports() -> None:
    """Waits until the other writes of a failed save have been reported."""
    for thread in threading.enumerate():
        if type(thread).__module__.startswith(ocp.__name__):
            # Orbax's own `join` raises the exception of the thread.
            threading.Thread.join(thread, PATIENCE)
    # asyncio reports an exception that nobody reads when its task is deleted.
    gc.collect()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log record is something else than Orbax's report of an exception that it raises."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    return not (record.pathname.startswith(ORBAX) or _is_write_of_orbax(error))


def _is_write_of_orbax(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return STORAGE_ERROR in str(error) or any(frame.filename.startswith(ORBAX) for frame in frames)


def _is_closed_loop(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
