"""Config of a training: the optimiser and everything else that `train` takes."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr.data.config import DataConfig
from subpixel.sr.models import ESPCNConfig, ModelConfig
from subpixel.sr.serialization import Retired, check_fields, require

# JAX holds the seed in a signed 64-bit integer.
SEEDS = range(2**63)

CpuConvolutions = Literal["default", "eigen"]


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimiser and its learning rate schedule."""

    retired: ClassVar = {
        "reparameterization": Retired(
            "none", "training with branches gained nothing (research/recipe.md) and was removed"
        )
    }

    name: Literal["adam", "muon", "soap"] = "adam"
    """"adam"; "muon", optax.contrib's, on kernels as matrices; or "soap", Adam in the eigenbasis of
    Shampoo's factors (arXiv 2409.11321), which a network of this size trains best with."""
    b1: float | None = None
    """Decay of the mean gradient. Default: the optimiser's own, 0.9 for Adam, 0.95 for SOAP."""
    b2: float | None = None
    """Decay of the mean squared gradient. Default: 0.999 for Adam, 0.95 for SOAP."""
    basis_every: int = 10
    """Number of steps between two updates of SOAP's eigenbasis."""

    damping: float = 0.0
    """Share of the largest eigenvalue that SOAP adds to all: rounding is then amplified less, and
    trainings in several layouts stay nearer to each other."""

    learning_rate: float = 2e-3
    """The highest learning rate."""
    warmup_steps: int = 200
    """Number of steps in which the learning rate rises from zero; a tenth of a run that is not
    longer than that."""
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    """Learning rate after the warm-up: "cosine", to the last step; "constant"; or "plateau", the
    ESPCN paper's rule, which lowers it when the loss no longer improves."""
    final_learning_rate: float = 0.0
    """Last value of a cosine, and lower limit of a plateau. The paper: from 0.01 to 0.0001."""
    plateau_steps: int = 1000
    """Number of steps over which a plateau averages the loss, to compare it with the best mean."""
    plateau_threshold: float = 1e-3
    """Relative improvement of the mean loss below which a plateau lowers the learning rate."""
    plateau_factor: float = 0.5
    """Factor by which a plateau then multiplies the learning rate."""
    clip_norm: float | None = None
    """Largest norm of the gradient of all parameters; a longer gradient is scaled to this norm."""
    accumulation: int | None = None
    """Number of equal parts of a device's batch whose gradients are computed one after the other
    and averaged. Default: 1, and on a CPU the smallest number whose parts fit in a cache."""
    cpu_convolutions: CpuConvolutions = "default"
    """Library of a CPU's float32 convolutions: XLA's default (YNNPACK in jaxlib 0.10), or Eigen,
    which uses all cores in each convolution; the results differ by rounding."""
    loss: Literal["mse", "l1", "charbonnier"] = "mse"
    """Mean squared error, mean absolute error or Charbonnier loss of the pixels, in 0..1."""
    ema_decay: float = 0.999
    """Decay of the moving average of the parameters; the averaged model is the one measured."""

    def __post_init__(self):
        check_fields(self, "optimizer.")
        for rule, holds, names in (
            ("be at least 0", lambda value: value >= 0, ("warmup_steps", "damping")),
            (
                "be at least 1",
                lambda value: value >= 1,
                ("plateau_steps", "basis_every", "accumulation"),
            ),
            ("be positive", lambda value: value > 0, ("learning_rate", "clip_norm")),
            (
                "lie in 0..1, below 1",
                lambda value: 0 <= value < 1,
                ("plateau_threshold", "b1", "b2", "ema_decay"),
            ),
            ("lie between 0 and 1", lambda value: 0 < value < 1, ("plateau_factor",)),
            (
                "lie in 0..optimizer.learning_rate",
                lambda value: 0 <= value <= self.learning_rate,
                ("final_learning_rate",),
            ),
        ):
            for name in names:
                value = getattr(self, name)
                require(value is None or holds(value), f"optimizer.{name} must {rule}; got {value}")
        require(
            self.name != "muon" or self.b1 is self.b2 is None,
            "optimizer.b1 and b2 belong to adam and soap; muon has its own",
        )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A training of one upsampler, or of several from the same function on the same batches."""

    upsamplers: tuple[Layout, ...] = LAYOUTS
    """Upsamplers of the network; several are trained side by side and compared."""
    model: ModelConfig = field(default_factory=ESPCNConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    steps: int = 20_000
    """Number of training steps of each upsampler."""
    start_from: str | None = None
    """Released model, workdir, weights file or PyTorch checkpoint whose parameters the training
    starts from. A network of another scale gives all layers but the upsampler and its bias."""
    seed: int = 0
    """Seed of the initial parameters and of the patches."""
    log_every: int = 100
    """Number of steps between records of the loss."""
    validate_every: int = 500
    """Number of steps between measurements on the held-out images."""
    checkpoint_every: int = 1000
    """Number of steps between checkpoints, which are also measured on the held-out images."""
    keep_checkpoints: int = 2
    """Number of newest checkpoints to keep, besides the best on the held-out images."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """If the loss or gradient of a step is not finite: "stop", or "skip" that step and count it."""
    skips_allowed: int = 10
    """Number of steps in a row that may be skipped; one more stops the run."""

    def __post_init__(self):
        check_fields(self)
        names = self.upsamplers
        intervals = (self.steps, self.log_every, self.validate_every, self.checkpoint_every)
        for holds, rule, found in (
            (
                0 < len(names) == len(set(names)),
                "upsamplers must name each upsampler once, and at least one",
                names,
            ),
            (self.seed in SEEDS, "seed must be a whole number from 0 to 2**63 - 1", self.seed),
            (
                min(intervals) >= 1,
                "steps, log_every, validate_every and checkpoint_every must be at least 1",
                intervals,
            ),
            (
                self.keep_checkpoints >= 2,
                "keep_checkpoints must be at least 2, since the newest may be damaged",
                self.keep_checkpoints,
            ),
            (self.skips_allowed >= 0, "skips_allowed must be at least 0", self.skips_allowed),
        ):
            require(holds, f"{rule}; got {found}")
