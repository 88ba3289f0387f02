"""Training: a pure step, the loop around it, and the files that the loop writes."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.training.loop import train
    from subpixel.sr.training.optimizers import make_optimizer
    from subpixel.sr.training.state import TrainState, train_step

__all__ = ["TrainState", "make_optimizer", "train", "train_step"]

__getattr__ = lazy_names(
    __name__,
    {
        "train": "loop",
        "make_optimizer": "optimizers",
        "TrainState": "state",
        "train_step": "state",
    },
)
