"""What is trained and how: the optimiser, and everything else that a training takes."""

from dataclasses import dataclass, field
from typing import Literal

from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr.data.config import DataConfig
from subpixel.sr.models import ESPCNConfig, ModelConfig
from subpixel.sr.serialization import check_choices, require


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and the course of its learning rate."""

    learning_rate: float = 2e-3
    """Its highest value."""
    warmup_steps: int = 200
    """Steps in which it rises from zero."""
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    """What follows: a cosine to the last step, the same value, or the ESPCN paper's rule, by which
    it is lowered where the loss no longer improves."""
    final_learning_rate: float = 0.0
    """Where a cosine ends, and below which no plateau lowers it. The paper: 0.0001, from 0.01."""
    plateau_steps: int = 1000
    """Steps over which the loss is averaged, to be compared with the best such average before."""
    plateau_threshold: float = 1e-3
    """Relative improvement of that average below which the learning rate is lowered."""
    plateau_factor: float = 0.5
    """What it is then multiplied by."""
    clip_norm: float | None = None
    """Largest norm of the gradient, all parameters together: a longer one is shortened to it."""
    accumulation: int | None = None
    """Parts of a batch that are differentiated one by one, their gradients averaged; it must divide
    the batch of a device. By default 1, and on a CPU what keeps a part in its cache."""
    loss: Literal["mse", "l1"] = "mse"
    """Mean squared or mean absolute error of the pixels, which lie in 0..1."""
    ema_decay: float = 0.999
    """Decay of the moving average of the parameters, which is the model that is measured."""

    def __post_init__(self):
        check_choices(self, "optimizer.")
        require(
            self.learning_rate > 0,
            f"optimizer.learning_rate must be positive; got {self.learning_rate}",
        )
        require(
            0 <= self.final_learning_rate <= self.learning_rate,
            "optimizer.final_learning_rate must lie in 0..optimizer.learning_rate; got "
            f"{self.final_learning_rate} and {self.learning_rate}",
        )
        require(
            self.plateau_steps >= 1
            and 0 <= self.plateau_threshold < 1
            and 0 < self.plateau_factor < 1,
            "optimizer.plateau_steps must be at least 1, plateau_threshold lie in 0..1, below 1, "
            "and plateau_factor between 0 and 1; got "
            f"{self.plateau_steps}, {self.plateau_threshold} and {self.plateau_factor}",
        )
        require(
            self.clip_norm is None or self.clip_norm > 0,
            f"optimizer.clip_norm must be positive; got {self.clip_norm}",
        )
        require(
            self.accumulation is None or self.accumulation >= 1,
            f"optimizer.accumulation must be at least 1; got {self.accumulation}",
        )
        require(
            0 <= self.ema_decay < 1,
            f"optimizer.ema_decay must lie in 0..1, below 1; got {self.ema_decay}",
        )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A training of one upsampler, or of several from the same start on the same batches."""

    upsamplers: tuple[Layout, ...] = LAYOUTS
    """Upsamplers of the network. Several are trained side by side and compared."""
    model: ModelConfig = field(default_factory=ESPCNConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    steps: int = 20_000
    """Training steps of each upsampler."""
    seed: int = 0
    """Of initial values and of patches."""
    log_every: int = 100
    """Steps between records of the loss."""
    validate_every: int = 500
    """Steps between measurements on the held-out images."""
    checkpoint_every: int = 1000
    """Steps between checkpoints, each of which is measured on the held-out images."""
    keep_checkpoints: int = 2
    """How many of the newest are kept, beside the best on the held-out images."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """When a loss or gradient is not finite: stop there, or skip that step and count it."""
    skips_allowed: int = 10
    """How many steps may be skipped one after the other before the run stops."""

    def __post_init__(self):
        check_choices(self)
        require(
            bool(self.upsamplers) and len(set(self.upsamplers)) == len(self.upsamplers),
            f"upsamplers must name each upsampler once, and at least one; got {self.upsamplers}",
        )
        unknown = [name for name in self.upsamplers if name not in LAYOUTS]
        require(not unknown, f"unknown upsampler {unknown}: choose from {', '.join(LAYOUTS)}")
        intervals = (self.steps, self.log_every, self.validate_every, self.checkpoint_every)
        require(
            min(intervals) >= 1,
            f"steps, log_every, validate_every and checkpoint_every must be at least 1; got "
            f"{intervals}",
        )
        require(
            self.keep_checkpoints >= 2,
            "keep_checkpoints must be at least 2, since the newest may turn out to be damaged; got "
            f"{self.keep_checkpoints}",
        )
        require(
            self.skips_allowed >= 0,
            f"skips_allowed must be at least 0; got {self.skips_allowed}",
        )
        require(
            self.optimizer.warmup_steps < self.steps,
            f"optimizer.warmup_steps, {self.optimizer.warmup_steps}, must be less than steps, "
            f"{self.steps}",
        )
