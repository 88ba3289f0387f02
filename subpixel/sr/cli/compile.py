"""The command `compile`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import subpixel.sr._support.quiet_jax  # noqa: F401  (before all that imports JAX)
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.config import QUICKSTART, Experiment


@dataclass(frozen=True)
class Options:
    """Compiles an experiment's networks for TPUs and GPUs that are not here; runs nothing."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    config: Path = QUICKSTART
    """File that assigns an Experiment to `config`; the options below override its fields."""
    target: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A GPU, such as h100 or h100:8, or TPUs, such as v5e:4x4; may be repeated."""
    conv_transpose: bool = False
    """Compiles transposed convolutions by each method, instead of the experiment's networks."""
    only: tuple[str, ...] = ()
    """With --conv-transpose, names of geometries (default: all ten)."""
    methods: tuple[str, ...] = ()
    """With --conv-transpose, "jax.lax" or methods of `conv_transpose` (default: all)."""
    json: Path | None = None
    """File for all results."""


def run(options: Options) -> int:
    """Compiles, prints the tables and writes the file that is asked for; returns the exit code."""
    # Imported here: --help stays quick.
    from subpixel.sr.compile.report import report_geometries, report_networks

    check_outputs(options.json)
    console, excesses = make_console(), []
    if options.conv_transpose:
        results = report_geometries(options.target, options.only, options.methods, console)
    else:
        results, excesses = report_networks(options.experiment, options.target, console)
    if options.json is not None:
        write_json(options.json, results)
    if excesses:
        raise InputError("; ".join(excesses))
    return 0
