"""Training: a pure step, a loop around it, and what the loop leaves in a workdir."""

from subpixel.training.loop import train
from subpixel.training.optimizers import make_optimizer
from subpixel.training.state import TrainState, train_step

__all__ = ["TrainState", "make_optimizer", "train", "train_step"]
