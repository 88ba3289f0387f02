"""Records of a run: metrics.jsonl and TensorBoard events."""

import json
import os
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import UInt8
from rich.console import Console
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter

from subpixel.sr._support.files import dump_json, errors_name, write_bytes

# A type checker does not see its classes, which are made at import.
event_pb2 = import_module("tensorboardX.proto.event_pb2")

Record = dict[str, Any]

# These fields differ between two runs of one config; all others are the same to the bit.
WALL_CLOCK = frozenset({"seconds", "data_wait_fraction"})


def read_records(path: Path, console: Console | None = None) -> list[Record]:
    """Reads metrics.jsonl.

    Damaged lines are left out. The last line may be torn by a kill, so only damage of other lines
    is reported.

    Raises:
      OSError: if the file cannot be read.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    records = [_parse(line) for line in lines]
    damaged = [number for number, record in enumerate(records[:-1], start=1) if record is None]
    if damaged and console is not None:
        numbers = ", ".join(map(str, damaged))
        console.print(
            f"warning: {path} is damaged and is used without line {numbers}", soft_wrap=True
        )
    return [record for record in records if record is not None]


def _parse(line: bytes) -> Record | None:
    """Returns the record of a line, or None if it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    numbers = [value for key, value in record.items() if key != "upsampler"]
    complete = type(record.get("step")) is int and isinstance(record.get("upsampler"), str)
    return record if complete and all(map(_is_number_or_null, numbers)) else None


def _is_number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


class Records:
    """Appends records to `metrics.jsonl`; writes them and images as TensorBoard events.

    Each record is passed to the system at once, so a kill loses none. `sync` writes them to the
    disk and is called before a checkpoint counts.
    """

    def __init__(
        self,
        workdir: Path,
        step: int | None,
        console: Console | None = None,
        writes: bool = True,
    ):
        """Opens the files and drops the records after `step`, which the run writes again.

        Args:
          workdir: folder of the run.
          step: step of the checkpoint from which the run resumes, or None at its start.
          console: where damaged lines of metrics.jsonl are named.
          writes: whether anything is written; only the first process of a run writes.

        Raises:
          OSError: if a file cannot be written.
        """
        self._writes = writes
        if not writes:
            return
        self._path = path = workdir / "metrics.jsonl"
        kept = [] if step is None else [r for r in read_records(path, console) if r["step"] <= step]
        write_bytes(path, "".join(map(_line, kept)).encode())
        self._file = path.open("ab", buffering=0)
        self._event_folder = events = workdir / "tensorboard"
        events.mkdir(exist_ok=True)
        # The synchronous writer: with the usual one, which has a thread, a full disk is no error.
        self._events = EventsWriter(str(events / "events"))
        if step is not None:
            restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._events.write_event(event_pb2.Event(step=step + 1, session_log=restart))

    def write(self, record: Record) -> None:
        """Writes a record, which has "step" and "upsampler"; its numbers become scalars.

        Raises:
          OSError: if it cannot be written; the file then ends with the record before it.
        """
        if not self._writes:
            return
        end = self._file.seek(0, os.SEEK_END)
        line = _line(record).encode()
        try:
            with errors_name(self._path):
                while line:
                    line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(end)
            raise
        for key, value in record.items():
            if key not in ("step", "upsampler") and value is not None:
                self._event(record["step"], summary.scalar(f"{key}/{record['upsampler']}", value))

    def image(self, step: int, name: str, pixels: UInt8[np.ndarray, "h w c"]) -> None:
        """Writes an image, uint8 (h, w, 1 or 3), for TensorBoard."""
        self._event(step, summary.image(name, pixels, dataformats="HWC"))

    def _event(self, step: int, content: Any) -> None:
        if not self._writes:
            return
        event = event_pb2.Event(step=step, wall_time=time.time(), summary=content)
        with errors_name(self._event_folder):
            self._events.write_event(event)

    def sync(self) -> None:
        """Writes everything to the disk.

        Raises:
          OSError: if the disk refuses it.
        """
        if not self._writes:
            return
        with errors_name(self._path):
            os.fsync(self._file.fileno())
        with errors_name(self._event_folder):
            self._events.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writes:
            self._file.close()
            with suppress(OSError):  # already raised by `sync`
                self._events.close()


def _line(record: Record) -> str:
    return dump_json(record) + "\n"
