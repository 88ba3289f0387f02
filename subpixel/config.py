"""What an experiment is: frozen dataclasses, each checked where it is built.

A file in `configs/` assigns one `Experiment` to `config`. The command line overrides any field by
its dotted name, and a workdir keeps the result in `config.json`.
"""

import dataclasses
import json
import runpy
from pathlib import Path
from typing import Any, Literal

import cattrs
from cattrs.v import format_exception

from subpixel.data.degradation import BICUBIC, Degradation
from subpixel.errors import InputError
from subpixel.kernels import SPELLINGS, Spelling

Dtype = Literal["float32", "bfloat16"]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InputError(message)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """ESPCN, arXiv 1609.05158."""

    scale: int = 3
    """How many times larger the output is: a whole number of at least 2."""
    channels: Literal[1, 3] = 1
    """1: the network enlarges luma, and colour is enlarged by bicubic. 3: it enlarges RGB."""
    features: tuple[int, int] = (64, 32)
    """Channels of the two hidden layers."""
    kernel_sizes: tuple[int, int, int] = (5, 3, 3)
    """Kernel sizes of the three layers, in low-resolution pixels."""
    bias: Literal["phase", "shared"] = "phase"
    """Bias of the last layer: one number for each of the scale**2 phases, or one for all."""
    input_mean: float = 0.0
    """Taken from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 1.0
    """What the centred input is multiplied by."""
    residual: bool = False
    """Whether the layers learn what is missing from the nearest-neighbour enlargement."""
    output_activation: Literal["none", "sigmoid"] = "none"
    """At the very end; the paper's network has none."""
    dtype: Dtype = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        _require(
            isinstance(self.scale, int) and self.scale >= 2,
            f"model.scale must be a whole number of at least 2; got {self.scale!r}",
        )
        _require(
            min(*self.features, *self.kernel_sizes) >= 1,
            "model.features and model.kernel_sizes must be positive; got "
            f"{self.features} and {self.kernel_sizes}",
        )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which pictures, and how patches are cut from them."""

    train: tuple[str, ...] = ("embedded:train",)
    """Sets to train on (docs/data.md): named ones such as DIV2K/train, folders under the data root
    or anywhere, tfds:NAME; "embedded:train" is the set that comes with scikit-image."""
    benchmarks: tuple[str, ...] = ("embedded:test",)
    """Folders of pictures to measure on at the end: none may be among the training pictures."""
    exclude: tuple[str, ...] = ()
    """Pictures of these folders, by name, that are not trained on."""
    validation_images: int = 8
    """How many training pictures are held out to watch progress on."""
    patch_size: int = 17
    """Height and width of a training patch, in low-resolution pixels."""
    batch_size: int = 16
    """Patches in a step."""
    augment: bool = True
    """Whether patches are flipped and turned, eight ways."""
    degradation: Degradation = BICUBIC

    def __post_init__(self):
        _require(bool(self.train), "data.train must name at least one folder of pictures")
        _require(
            self.patch_size >= 1 and self.batch_size >= 1 and self.validation_images >= 1,
            "data.patch_size, data.batch_size and data.validation_images must be at least 1; got "
            f"{self.patch_size}, {self.batch_size} and {self.validation_images}",
        )


@dataclasses.dataclass(frozen=True)
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
        _require(
            self.learning_rate > 0,
            f"optimizer.learning_rate must be positive; got {self.learning_rate}",
        )
        _require(
            0 <= self.final_learning_rate <= self.learning_rate,
            "optimizer.final_learning_rate must lie in 0..optimizer.learning_rate; got "
            f"{self.final_learning_rate} and {self.learning_rate}",
        )
        _require(
            self.plateau_steps >= 1
            and 0 <= self.plateau_threshold < 1
            and 0 < self.plateau_factor < 1,
            "optimizer.plateau_steps must be at least 1, plateau_threshold lie in 0..1, below 1, "
            "and plateau_factor between 0 and 1; got "
            f"{self.plateau_steps}, {self.plateau_threshold} and {self.plateau_factor}",
        )
        _require(
            self.clip_norm is None or self.clip_norm > 0,
            f"optimizer.clip_norm must be positive; got {self.clip_norm}",
        )
        _require(
            self.accumulation is None or self.accumulation >= 1,
            f"optimizer.accumulation must be at least 1; got {self.accumulation}",
        )
        _require(
            0 <= self.ema_decay < 1,
            f"optimizer.ema_decay must lie in 0..1, below 1; got {self.ema_decay}",
        )


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One training, or a comparison of several upsamplers from the same start on the same data."""

    name: str
    """Names the default workdir, runs/NAME."""
    upsamplers: tuple[Spelling, ...] = SPELLINGS
    """How the last layer is spelled. Several are trained side by side and compared."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    steps: int = 20_000
    """Training steps of each upsampler."""
    seed: int = 0
    """Of initial values and of patches."""
    log_every: int = 100
    """Steps between records of the loss."""
    validate_every: int = 500
    """Steps between measurements on the held-out pictures."""
    checkpoint_every: int = 1000
    """Steps between checkpoints, each of which is measured on the held-out pictures."""
    keep_checkpoints: int = 2
    """How many of the newest are kept, beside the best on the held-out pictures."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """When a loss or gradient is not finite: stop there, or skip that step and count it."""
    skips_allowed: int = 10
    """How many steps may be skipped one after the other before the run stops."""

    def __post_init__(self):
        _require(
            bool(self.upsamplers) and len(set(self.upsamplers)) == len(self.upsamplers),
            f"upsamplers must name each upsampler once, and at least one; got {self.upsamplers}",
        )
        unknown = [name for name in self.upsamplers if name not in SPELLINGS]
        _require(not unknown, f"unknown upsampler {unknown}: choose from {', '.join(SPELLINGS)}")
        intervals = (self.steps, self.log_every, self.validate_every, self.checkpoint_every)
        _require(
            min(intervals) >= 1,
            f"steps, log_every, validate_every and checkpoint_every must be at least 1; got "
            f"{intervals}",
        )
        _require(
            self.keep_checkpoints >= 2,
            "keep_checkpoints must be at least 2, since the newest may turn out to be damaged; got "
            f"{self.keep_checkpoints}",
        )
        _require(
            self.skips_allowed >= 0,
            f"skips_allowed must be at least 0; got {self.skips_allowed}",
        )
        _require(
            self.optimizer.warmup_steps < self.steps,
            f"optimizer.warmup_steps, {self.optimizer.warmup_steps}, must be less than steps, "
            f"{self.steps}",
        )


def load_config(path: Path) -> Experiment:
    """Runs a config file and returns the experiment that it assigns to `config`.

    Raises:
      InputError: if there is no such file, it fails, or it assigns something else.
    """
    if not path.is_file():
        others = ", ".join(sorted(str(p) for p in path.parent.glob("*.py"))) or "none"
        raise InputError(f"there is no config file {path}; in its folder there are: {others}")
    try:
        config = runpy.run_path(str(path)).get("config")
    except Exception as error:
        raise InputError(f"config file {path} failed: {type(error).__name__}: {error}") from error
    if not isinstance(config, Experiment):
        raise InputError(
            f"config file {path} must assign a subpixel.config.Experiment to `config`; "
            f"got {type(config).__name__}"
        )
    return config


def to_json(experiment: Experiment) -> dict[str, Any]:
    """Returns the experiment as what JSON can hold."""
    return json.loads(json.dumps(dataclasses.asdict(experiment)))


def from_json(values: dict[str, Any], source: str) -> Experiment:
    """Undoes `to_json`.

    Args:
      values: what `to_json` returned.
      source: where it was found, for the message.

    Raises:
      InputError: if a field is unknown, missing or of the wrong kind.
    """
    try:
        return cattrs.Converter(forbid_extra_keys=True).structure(values, Experiment)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, format_exception=_explain))
        raise InputError(f"{source} is not a config of this version: {problems}") from error


def _explain(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, InputError) else format_exception(error, kind)


def differences(old: Experiment, new: Experiment) -> list[str]:
    """Returns a line for each field that differs, "steps: 100 there, 200 here"."""
    there, here = flatten(to_json(old)), flatten(to_json(new))
    return [
        f"{key}: {there[key]} there, {here[key]} here" for key in there if there[key] != here[key]
    ]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested fields by their dotted names, as on the command line."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
