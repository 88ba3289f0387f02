"""metrics.jsonl and TensorBoard: what a run says of itself while it goes on."""

import json
import os
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter

from subpixel.sr.files import naming, write_bytes

# Its classes are made when it is imported, out of a type checker's sight.
event_pb2 = import_module("tensorboardX.proto.event_pb2")

Record = dict[str, Any]

# What differs between two runs of one experiment: everything else is the same to the bit.
WALL_CLOCK = frozenset({"seconds", "data_wait_fraction"})


def read_records(path: Path) -> list[Record]:
    """Returns the records of a metrics.jsonl; a line torn by a kill is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


class Records:
    """Appends records to `metrics.jsonl`, and them and images to TensorBoard's events.

    A record is in the hands of the system once it is written, so that a kill takes none of them;
    `sync` brings them to disk, which is due before a checkpoint counts.
    """

    def __init__(self, workdir: Path, step: int | None):
        """Drops what is later than `step`, where the run resumes: it comes again.

        Args:
          workdir: of the run.
          step: of the checkpoint that the run goes on from, or None if it begins.
        """
        self._path = path = workdir / "metrics.jsonl"
        kept = [r for r in read_records(path) if step is not None and r["step"] <= step]
        with naming(path):
            write_bytes(path, "".join(map(_line, kept)).encode())
        self._file = path.open("ab", buffering=0)
        self._event_folder = events = workdir / "tensorboard"
        events.mkdir(exist_ok=True)
        # The writer itself, without the thread around it: a full disk is then an error here.
        self._events = EventsWriter(str(events / "events"))
        if step is not None:
            restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._events.write_event(event_pb2.Event(step=step + 1, session_log=restart))

    def write(self, record: Record) -> None:
        """Writes a record, which has "step" and "upsampler"; its numbers become scalars.

        Raises:
          OSError: if it cannot be written; the file then ends with the record before it.
        """
        end = self._file.seek(0, os.SEEK_END)
        line = _line(record).encode()
        try:
            with naming(self._path):
                while line:
                    line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(end)
            raise
        for key, value in record.items():
            if key not in ("step", "upsampler") and value is not None:
                self._event(record["step"], summary.scalar(f"{key}/{record['upsampler']}", value))

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Shows an image, uint8 (h, w, 1 or 3), in TensorBoard."""
        self._event(step, summary.image(name, pixels, dataformats="HWC"))

    def _event(self, step: int, content: Any) -> None:
        event = event_pb2.Event(step=step, wall_time=time.time(), summary=content)
        with naming(self._event_folder):
            self._events.write_event(event)

    def sync(self) -> None:
        """Brings everything to disk.

        Raises:
          OSError: if the disk does not take it.
        """
        os.fsync(self._file.fileno())
        with naming(self._event_folder):
            self._events.flush()

    def close(self) -> None:
        """Closes the files."""
        self._file.close()
        with suppress(OSError):  # `sync` has said it
            self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_records(workdir: Path, step: int | None) -> Records:
    """Opens the records of a run in its first process; the others write none."""
    return Records(workdir, step) if jax.process_index() == 0 else NoRecords()


class NoRecords(Records):
    """What the other processes of a run write: nothing."""

    def __init__(self):
        """Opens nothing."""

    def write(self, record: Record) -> None:
        """Does nothing."""

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Does nothing."""

    def sync(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
