"""Training: a pure step, a loop around it, and what the loop leaves in a workdir."""

from subpixel.training.loop import train
from subpixel.training.state import TrainState, make_optimizer, train_step

__all__ = ["TrainState", "make_optimizer", "train", "train_step"]
