"""The command `train`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from subpixel.sr.cli._run import parse_options
from subpixel.sr.config import QUICKSTART, Experiment, load_config
from subpixel.sr.serialization import flatten, to_json


@dataclass(frozen=True)
class Options:
    """Trains the upsamplers of an experiment and compares them. The same command resumes."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    config: Path = QUICKSTART
    """File that assigns an Experiment to `config`; the options below override its fields."""
    workdir: Path | None = None
    """Folder for all results (default: runs/NAME)."""
    seeds: tuple[int, ...] = ()
    """The experiment runs once for each seed, in WORKDIR/seed-N; sweep.json has mean and spread."""
    profile: bool = False
    """Traces ten steps into WORKDIR/profile, for xprof."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""
    coordinator: str | None = None
    """HOST:PORT of the first of several processes, or "auto" where JAX finds the others itself, as
    under SLURM and on a TPU pod."""
    process: str | None = None
    """Number of this process, from 0, and number of processes, such as 0/4; not with "auto"."""
    wait: int = 300
    """Seconds to wait for all processes."""


def parse_with_config(options: Any, arguments: Sequence[str], prog: str | None = None) -> Any:
    """Reads the options of a dataclass whose first field is the experiment of a config file.

    Raises:
      InputError: if the config file cannot be used, or an option is unknown.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path, default=QUICKSTART)
    path = first.parse_known_args(arguments)[0].config
    default = options(load_config(path), config=path)
    fields = tuple(flatten(to_json(default.experiment)))
    return parse_options(options, arguments, prog, default=default, names=fields)


def run(options: Options) -> int:
    """Runs the experiment, once or for each seed; returns the exit code."""
    # Imported here: `--help` and `describe`, which has the same options, stay quick.
    from subpixel.sr import experiment, sweep
    from subpixel.sr._support.compilations import keep_compilations
    from subpixel.sr._support.console import make_console
    from subpixel.sr.data.pairs import data_root
    from subpixel.sr.training.parallel import is_first, processes

    root = data_root(options.data_root)
    workdir = options.workdir or Path("runs") / options.experiment.name
    keep_compilations()
    with processes(options.coordinator, options.process, options.wait):
        console = make_console(quiet=not is_first())
        common = (workdir, root, console, options.profile)
        if options.seeds:
            return sweep.run_sweep(options.experiment, options.seeds, *common)
        return experiment.run(options.experiment, *common)
