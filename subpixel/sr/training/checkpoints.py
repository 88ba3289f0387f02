"""Checkpoints with Orbax: states, the place in the data, clocks and config, together or not at all.

A checkpoint counts once its manifest is there, which is written when Orbax has committed it. One
without, or one that differs from its manifest, is passed over for the one before it.
"""

import math
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN
from rich.console import Console

from subpixel.sr.errors import InputError
from subpixel.sr.serialization import differences, from_json, to_json
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.manifest import UNFINISHED, find_damage, write_manifest
from subpixel.sr.training.state import TrainState

METRIC = "validation_psnr"
# Of a checkpoint between validations: it is never the best.
UNMEASURED = -math.inf


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
      step: steps done.
      states: the state of each upsampler.
      iterator: the state of the data iterator.
      seconds: time that each upsampler has trained.
      losses: of each upsampler in the steps since the last record.
      skipped: steps of each upsampler that were skipped because they were not finite.
      skipped_last: how many of them came last, one after the other.
      norms: the largest gradient norm of each upsampler since the last record.
      validation: PSNR in dB of each upsampler on the held-out images, if measured at this step.
    """

    step: int
    states: dict[str, TrainState]
    iterator: dict[str, Any]
    seconds: dict[str, float]
    losses: dict[str, list[float]]
    skipped: dict[str, int]
    skipped_last: dict[str, int]
    norms: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)


def restore(
    workdir: Path,
    experiment: TrainingConfig,
    states: dict[str, TrainState],
    console: Console,
    which: str = "last",
) -> Progress | None:
    """Reads a checkpoint of a workdir; those that are damaged are named and passed over.

    Args:
      workdir: of the run.
      experiment: that it was made with.
      states: states of the structure wanted, such as those before the first step.
      console: where damaged checkpoints are named.
      which: "last"; "best", which has the highest PSNR on the held-out images; or a step.

    Returns:
      What it holds, or None if the workdir has no checkpoint at all.

    Raises:
      InputError: if there are checkpoints but none that can be used, or not the one asked for, or
        it was made with another config.
    """
    folder = workdir / "checkpoints"
    there = list_steps(folder)
    damage = None
    for step in _wanted(folder, there, which):
        damage = find_damage(folder / str(step))
        if damage is None:
            return _read(folder / str(step), step, experiment, states)
        console.print(
            f"warning: checkpoint {folder / str(step)} is passed over: {damage}", soft_wrap=True
        )
    if not there or (len(there) == 1 and damage == UNFINISHED):
        # A run that was killed in its first save has nothing to go on from.
        return None
    raise InputError(
        f"no checkpoint in {folder} can be used for {which!r}; there are those of steps "
        f"{', '.join(map(str, there))}. To train from the start, remove the folder"
    )


def list_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints that Orbax has committed to a folder, newest first."""
    if not folder.is_dir():
        return []
    return sorted(
        (int(path.name) for path in folder.iterdir() if path.name.isdigit()), reverse=True
    )


def _wanted(folder: Path, steps: list[int], which: str) -> list[int]:
    if which == "last":
        return steps
    if which == "best":
        scores = {step: _metric(folder, step) for step in steps}
        measured = [step for step in steps if scores[step] > UNMEASURED]
        return sorted(measured, key=lambda step: (scores[step], step), reverse=True)
    return [step for step in steps if str(step) == which]


def _metric(folder: Path, step: int) -> float:
    path = (folder / str(step) / "metrics").absolute()
    with (
        suppress(OSError, ValueError, KeyError),
        ocp.Checkpointer(ocp.JsonCheckpointHandler("metrics")) as checkpointer,
    ):
        return checkpointer.restore(path)[METRIC]
    return UNMEASURED


def _read(
    folder: Path, step: int, experiment: TrainingConfig, states: dict[str, TrainState]
) -> Progress:
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, states)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        found = checkpointer.restore(
            folder.absolute(),
            args=ocp.args.Composite(
                progress=ocp.args.JsonRestore(), states=ocp.args.StandardRestore(abstract)
            ),
        )
    progress = found["progress"]
    changed = differences(
        from_json(progress.pop("config"), type(experiment), str(folder)), experiment
    )
    if changed:
        raise InputError(
            f"checkpoint {folder} was made with another config ({'; '.join(changed)}): give the "
            "options that it was made with"
        )
    return Progress(step, found["states"], **progress)


class Checkpoints:
    """Saves checkpoints into `workdir/checkpoints` while training goes on.

    The newest are kept, as many as the config says, and the best on the held-out images.
    """

    def __init__(self, workdir: Path, experiment: TrainingConfig, restored: Progress | None):
        """Prepares to save what follows `restored`; later checkpoints are removed: they come again.

        Raises:
          OSError: if the folder cannot be written.
        """
        self._folder = workdir / "checkpoints"
        self._config = to_json(experiment)
        if jax.process_index() == 0:
            for step in list_steps(self._folder):
                if restored is None or step > restored.step:
                    shutil.rmtree(self._folder / str(step))
        multihost_utils.sync_global_devices("checkpoints of an interrupted run are removed")
        newest = LatestN(experiment.keep_checkpoints)
        best = BestN(
            get_metric_fn=itemgetter(METRIC),
            reverse=False,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._manager = ocp.CheckpointManager(
            self._folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=AnyPreservationPolicy([newest, best]),
                best_fn=itemgetter(METRIC),
                cleanup_tmp_directories=True,
            ),
            item_names=("states", "progress"),
        )
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._under_way: Future[None] | None = None
        self._saved = restored and restored.step

    def save(self, progress: Progress) -> None:
        """Begins to save; waits first for a save that is still under way.

        Raises:
          OSError: if the one before it could not be written.
        """
        if progress.step == self._saved:
            return
        self.wait()
        kept = {f.name: getattr(progress, f.name) for f in fields(progress)}
        step, states = kept.pop("step"), kept.pop("states")
        scores = progress.validation.values()
        with self._write_errors():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    states=ocp.args.StandardSave(states),
                    progress=ocp.args.JsonSave({**kept, "config": self._config}),
                ),
                metrics={METRIC: sum(scores) / len(scores) if scores else UNMEASURED},
            )
        self._saved = step
        self._under_way = self._thread.submit(self._seal, step)

    def check(self) -> None:
        """Raises what became of a save, if it has ended since; does not wait.

        Raises:
          OSError: if it could not be written.
        """
        if self._under_way is not None and self._under_way.done():
            self.wait()

    def wait(self) -> None:
        """Waits for a save under way.

        Raises:
          OSError: if it could not be written.
        """
        if self._under_way is not None:
            future, self._under_way = self._under_way, None
            with self._write_errors():
                future.result()

    def _seal(self, step: int) -> None:
        self._manager.wait_until_finished()
        if jax.process_index() == 0:
            write_manifest(self._folder / str(step))

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            raise OSError(
                f"a checkpoint in {self._folder} could not be written: {_reason(error)}. Those "
                "before it are kept: the same command goes on from there once this is mended"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A failure that is on its way up has said what there is to say.
        with suppress(OSError) if kind else nullcontext():
            self.wait()
        self._thread.shutdown()
        with suppress(ValueError, OSError):
            self._manager.close()


def _reason(error: Exception) -> str:
    """Orbax hands on its storage's errors as a ValueError of several thousand characters."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else str(error)
