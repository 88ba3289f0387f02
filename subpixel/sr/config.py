"""An experiment: frozen dataclasses, each checked where it is built.

A file in `configs/` assigns one `Experiment` to `config`. The command line overrides any field by
its dotted name, and a workdir keeps the result in `config.json`.
"""

import runpy
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.errors import InputError
from subpixel.sr.models import ESPCNConfig, ModelConfig
from subpixel.sr.serialization import differences, flatten, from_json, to_json
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig

__all__ = [
    "DataConfig",
    "Degradation",
    "ESPCNConfig",
    "Experiment",
    "ModelConfig",
    "OptimizerConfig",
    "differences",
    "flatten",
    "from_json",
    "load_config",
    "to_json",
]


@dataclass(frozen=True)
class Experiment(TrainingConfig):
    """One training, or a comparison of several upsamplers from the same start on the same data."""

    name: str
    """Names the default workdir, runs/NAME."""


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
            f"config file {path} must assign a subpixel.sr.config.Experiment to `config`; "
            f"got {type(config).__name__}"
        )
    return config
