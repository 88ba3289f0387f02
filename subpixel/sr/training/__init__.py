"""Training: a pure step, a loop around it, and what the loop leaves in a workdir."""

from subpixel.sr.training.loop import train
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import TrainState, train_step

__all__ = ["TrainState", "make_optimizer", "train", "train_step"]
