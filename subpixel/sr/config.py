"""The config of an experiment: frozen dataclasses that check their values when they are built.

A config file, such as those in `configs/`, assigns one `Experiment` to `config`. The command line
overrides any field by its dotted name; a workdir keeps the result in `config.json`.
"""

import runpy
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.config import DataConfig
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.models import (
    ESPCNConfig,
    FSRCNNConfig,
    ModelConfig,
    PlainConfig,
    SRCNNConfig,
)
from subpixel.sr.serialization import require
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig

__all__ = [
    "DataConfig",
    "Degradation",
    "ESPCNConfig",
    "Experiment",
    "FSRCNNConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PlainConfig",
    "SRCNNConfig",
    "load_config",
]


# In a wheel the folder lies inside the package, in a checkout beside it.
_INSTALLED, _CHECKOUT = Path(__file__).with_name("configs"), Path(__file__).parents[2] / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
QUICKSTART = CONFIGS / "quickstart.py"


@dataclass(frozen=True)
class Experiment(TrainingConfig):
    """One training, or a comparison of several upsamplers from one function on the same data."""

    name: str
    """Name of the default workdir, runs/NAME."""

    def __post_init__(self):
        super().__post_init__()
        require(bool(self.name), "name must not be empty: it names the default workdir, runs/NAME")


def load_config(path: Path) -> Experiment:
    """Runs a config file and returns the experiment that it assigns to `config`.

    Args:
      path: the file. If it is missing and its path is that of a config of this project, such as
        configs/quickstart.py, the project's own is used: an installed package has them too.

    Raises:
      InputError: if there is no such file, it fails, or it assigns something else.
    """
    own = CONFIGS / path.name
    file = own if not path.exists() and path.parent.name == "configs" and own.is_file() else path
    if not file.is_file():
        here = path.parent.is_dir()
        where, folder = ("its folder", path.parent) if here else (str(CONFIGS), CONFIGS)
        others = ", ".join(sorted(str(p) for p in folder.glob("*.py"))) or "none"
        raise InputError(f"there is no config file {path}; in {where} there are: {others}")
    try:
        config = runpy.run_path(str(file)).get("config")
    except InputError as error:
        raise InputError(f"config file {path}: {error}") from error
    except Exception as error:
        raise InputError(f"config file {path} failed: {type(error).__name__}: {error}") from error
    if not isinstance(config, Experiment):
        raise InputError(
            f"config file {path} must assign a subpixel.sr.config.Experiment to `config`; "
            f"got {type(config).__name__}"
        )
    return config
