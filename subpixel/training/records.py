"""metrics.jsonl and TensorBoard: what a run says of itself while it goes on."""

import json
import os
from pathlib import Path
from typing import Any, Self

from tensorboardX import SummaryWriter

Record = dict[str, Any]


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
    """Appends records to `metrics.jsonl` and their scalars to TensorBoard's events.

    Records later than `step`, where the run resumes, are dropped first: they will come again.
    """

    def __init__(self, workdir: Path, step: int):
        path = workdir / "metrics.jsonl"
        kept = [record for record in read_records(path) if record["step"] <= step]
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(record) + "\n" for record in kept))
        part.replace(path)
        self._file = path.open("a")
        self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def write(self, record: Record) -> None:
        """Writes a record, which has "step" and "upsampler"; its numbers become scalars."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        for key, value in record.items():
            if key not in ("step", "upsampler"):
                self._events.add_scalar(f"{key}/{record['upsampler']}", value, record["step"])

    def close(self) -> None:
        """Brings everything to disk."""
        os.fsync(self._file.fileno())
        self._file.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
