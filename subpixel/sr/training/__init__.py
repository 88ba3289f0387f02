"""Training: a pure step, the loop around it, and the files that the loop writes."""

from subpixel.sr.training.loop import train
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import TrainState, train_step

__all__ = ["TrainState", "make_optimizer", "train", "train_step"]
