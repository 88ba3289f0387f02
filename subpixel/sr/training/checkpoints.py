"""Checkpoints with Orbax: training states, data position, times and config, written together.

A checkpoint is valid once its manifest exists, which is written after Orbax has committed it. A
checkpoint that lacks a manifest or differs from it is skipped, and the one before it is used. Orbax
detects missing and truncated files, but not changed bytes: a manifest has sizes and digests.
"""

import hashlib
import json
import logging
import math
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from operator import itemgetter
from pathlib import Path
from typing import Self

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN
from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.serialization import differences, from_json, to_json
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.state import RunState, TrainState, start_training

METRIC = "validation_psnr"
# The metric of a checkpoint that was not measured: it is never the best.
UNMEASURED = -math.inf

MANIFEST = "MANIFEST.json"
UNFINISHED = "it was not finished"

# The two items of a checkpoint; these names are part of the format.
STATES, RUN = "states", "progress"


def restore(
    workdir: Path,
    config: TrainingConfig,
    console: Console,
    which: str = "last",
    states: dict[str, TrainState] | None = None,
) -> RunState | None:
    """Reads a checkpoint of a workdir; damaged checkpoints are named and skipped.

    Args:
      workdir: folder of the run.
      config: the config that the run was made with.
      console: for warnings about damaged checkpoints.
      which: "last"; "best", the highest PSNR on the held-out images; or the number of a step.
      states: states of the expected structure and placement (default: those before the first step,
        on one device).

    Returns:
      The run state of the checkpoint, or None if the workdir has no checkpoint at all.

    Raises:
      InputError: if there are checkpoints but none can be used, the requested one is missing, or
        it was made with another config.
    """
    folder = workdir / "checkpoints"
    found = list_steps(folder)
    damage = None
    for step in _candidates(folder, found, which):
        damage = find_damage(folder / str(step))
        if damage is None:
            return _read(folder / str(step), step, config, states)
        console.print(
            f"warning: checkpoint {folder / str(step)} is skipped: {damage}", soft_wrap=True
        )
    if not found or (len(found) == 1 and damage == UNFINISHED):
        # A run that was killed during its first save starts again.
        return None
    raise InputError(
        f"no checkpoint in {folder} can be used for {which!r}; there are those of steps "
        f"{', '.join(map(str, found))}. To train from the start, remove the folder"
    )


def list_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints that Orbax has committed to a folder, newest first."""
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir())
    return sorted(int(name) for name in names if re.fullmatch(r"0|[1-9][0-9]*", name))[::-1]


def _candidates(folder: Path, steps: list[int], which: str) -> list[int]:
    """Returns the steps to try, the preferred one first."""
    if which == "last":
        return steps
    if which == "best":
        scores = {step: _metric(folder, step) for step in steps}
        measured = [step for step in steps if scores[step] > UNMEASURED]
        return sorted(measured, key=scores.__getitem__, reverse=True)  # of equal ones the newest
    return [step for step in steps if str(step) == which]


def _metric(folder: Path, step: int) -> float:
    # The errors of a file that does not hold {"validation_psnr": number}.
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads((folder / str(step) / "metrics" / "metrics").read_text())[METRIC])
    return UNMEASURED


def _read(
    folder: Path, step: int, config: TrainingConfig, states: dict[str, TrainState] | None
) -> RunState:
    if states is None:
        states = {name: start_training(config, name).state for name in config.upsamplers}
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, states)
    arguments = {RUN: ocp.args.JsonRestore(), STATES: ocp.args.StandardRestore(abstract)}
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            found = checkpointer.restore(folder.absolute(), args=ocp.args.Composite(**arguments))
        run = dict(found[RUN])
        saved = from_json(run.pop("config"), type(config), str(folder))
    except (KeyError, TypeError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"checkpoint {folder} cannot be read by this version: {type(error).__name__}: {reason}"
        ) from error
    if changed := differences(saved, config):
        raise InputError(
            f"checkpoint {folder} was made with another config ({'; '.join(changed)}): give the "
            "options that it was made with"
        )
    return RunState(step, found[STATES], **run)


class Checkpoints:
    """Saves checkpoints into `workdir/checkpoints` in the background.

    The newest `keep_checkpoints` are kept, and the best on the held-out images.
    """

    def __init__(self, workdir: Path, config: TrainingConfig, restored: RunState | None):
        """Opens the folder; removes files, and checkpoints after the restored one.

        Args:
          workdir: folder of the run.
          config: the config of the run, which every checkpoint holds.
          restored: the run state from which the run resumes, or None.

        Raises:
          OSError: if the folder cannot be written.
        """
        # Both log the errors of a failed write, which `save` or `wait` raises as one error.
        for name in ("absl", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        sys.unraisablehook = _print_unless_late
        # Writes that a failed save no longer starts.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        self._folder = workdir / "checkpoints"
        self._config = to_json(config)
        with self._write_errors():
            for step in list_steps(self._folder) if jax.process_index() == 0 else ():
                path = self._folder / str(step)
                if not path.is_dir():
                    path.unlink()
                elif restored is None or step > restored.step:
                    shutil.rmtree(path)
            multihost_utils.sync_global_devices("checkpoints of an interrupted run are removed")
            score = itemgetter(METRIC)
            best = BestN(get_metric_fn=score, n=1, keep_checkpoints_without_metrics=False)
            self._manager = ocp.CheckpointManager(
                self._folder.absolute(),
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=AnyPreservationPolicy(
                        [LatestN(config.keep_checkpoints), best]
                    ),
                    best_fn=score,
                    cleanup_tmp_directories=True,
                ),
                item_names=(STATES, RUN),
            )
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._pending: Future[None] | None = None
        self._saved = restored and restored.step

    def save(self, run: RunState) -> None:
        """Starts a save, after the previous one has ended.

        Raises:
          OSError: if the previous save failed.
        """
        if run.step == self._saved:
            return
        self.wait()
        kept = {**vars(run), "config": self._config}
        step, states = kept.pop("step"), kept.pop("states")
        scores = run.validation.values()
        with self._write_errors():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    **{STATES: ocp.args.StandardSave(states), RUN: ocp.args.JsonSave(kept)}
                ),
                metrics={METRIC: sum(scores) / len(scores) if scores else UNMEASURED},
            )
        self._saved = step
        self._pending = self._thread.submit(self._seal, step)

    def check(self) -> None:
        """Raises the error of a save that has ended; does not wait.

        Raises:
          OSError: if the save failed.
        """
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the current save has ended.

        Raises:
          OSError: if it failed.
        """
        if self._pending is not None:
            future, self._pending = self._pending, None
            with self._write_errors():
                future.result()

    def _seal(self, step: int) -> None:
        self._manager.wait_until_finished()
        if jax.process_index() == 0:
            write_manifest(self._folder / str(step))

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Turns an error of Orbax or of the system into one that a user understands."""
        try:
            yield
        except (ValueError, OSError) as error:
            reason = _reason(error)
        else:
            return
        # Outside the handler, so that the new error keeps no reference to Orbax's pending tasks.
        raise OSError(
            f"a checkpoint in {self._folder} could not be written: {reason}. The checkpoints "
            "before it are kept: once the cause is removed, the same command resumes from there"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # An exception that is being raised must not be replaced by the error of a save.
        with suppress(OSError) if kind else nullcontext():
            self.wait()
        self._thread.shutdown()
        with suppress(ValueError, OSError):
            self._manager.close()
        # The exception keeps this object alive, but must not keep the tasks of a failed save.
        del self._manager


def _print_unless_late(unraisable: "sys.UnraisableHookArgs") -> None:
    """Prints an error of a thread, unless a write of a failed save has ended after Orbax's loop.

    TensorStore's own threads report each write to the event loop, which then complains.
    """
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def _reason(error: Exception) -> str:
    """Returns the cause; Orbax passes on storage errors as a ValueError of thousands of chars."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        return os.strerror(int(code[1]))
    return getattr(error, "strerror", None) or str(error)


def write_manifest(folder: Path) -> None:
    """Writes the manifest of a finished checkpoint, completely or not at all."""
    write_json(
        folder / MANIFEST, {name: _size_and_digest(folder / name) for name in _files(folder)}
    )


def find_damage(folder: Path) -> str | None:
    """Returns what differs between a checkpoint and its manifest, or None if nothing does."""
    if not folder.is_dir():
        return "it is not a folder"
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        lost = sorted(set(manifest) - set(_files(folder)))
        if lost:
            return f"{lost[0]} is missing"
        for name, expected in manifest.items():
            found = _size_and_digest(folder / name)
            if found["bytes"] != expected["bytes"]:
                return f"{name} has {found['bytes']} of {expected['bytes']} bytes"
            if found["sha256"] != expected["sha256"]:
                return f"{name} has other bytes than were written"
    except FileNotFoundError:
        return UNFINISHED
    # A damaged manifest can hold any JSON, or none; deeply nested lists exhaust the stack.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its {MANIFEST} cannot be read: {error!r}"
    return None


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in paths)


def _size_and_digest(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
