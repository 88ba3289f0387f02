"""Checkpoints with Orbax: states, the place in the data and the clocks, together or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jax
import orbax.checkpoint as ocp

from subpixel.errors import InputError
from subpixel.training.state import TrainState


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
      step: steps done.
      states: the state of each upsampler.
      iterator: the state of the data iterator.
      seconds: time that each upsampler has trained.
      losses: of each upsampler in the steps since the last record.
    """

    step: int
    states: dict[str, TrainState]
    iterator: dict[str, Any]
    seconds: dict[str, float]
    losses: dict[str, list[float]]


class Checkpoints:
    """The newest two checkpoints of a run, in `workdir/checkpoints`."""

    def __init__(self, workdir: Path):
        self._folder = workdir / "checkpoints"
        self._manager = ocp.CheckpointManager(
            self._folder.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2),
            item_names=("states", "progress"),
        )

    def save(self, progress: Progress) -> None:
        """Begins to save; a checkpoint that is not finished does not count.

        Raises:
          OSError: if this one, or the one before it, could not be written.
        """
        if progress.step in self._manager.all_steps():
            return
        with self._write_errors():
            self._manager.save(
                progress.step,
                args=ocp.args.Composite(
                    states=ocp.args.StandardSave(progress.states),
                    progress=ocp.args.JsonSave(
                        {
                            "iterator": progress.iterator,
                            "seconds": progress.seconds,
                            "losses": progress.losses,
                        }
                    ),
                ),
            )

    def restore(self, states: dict[str, TrainState]) -> Progress | None:
        """Returns the newest checkpoint, or None where there is none.

        Args:
          states: states of the structure wanted, such as those before the first step.

        Raises:
          InputError: if it cannot be read.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, states)
        try:
            restored = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    states=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore()
                ),
            )
        except (ValueError, OSError, KeyError) as error:
            raise InputError(
                f"checkpoint {self._folder / str(step)} cannot be read: {error}. Remove that "
                "folder to go on from the checkpoint before it"
            ) from error
        return Progress(step, restored["states"], **restored["progress"])

    def close(self) -> None:
        """Waits for a save under way.

        Raises:
          OSError: if it could not be written.
        """
        with self._write_errors():
            self._manager.wait_until_finished()
            self._manager.close()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Orbax reports a full disk as a ValueError from its storage."""
        try:
            yield
        except ValueError as error:
            raise OSError(
                f"a checkpoint in {self._folder} could not be written; those before it are kept. "
                f"{error}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
