"""The command lines of train.py and eval.py, and how they end: errors in one line."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import tyro

from subpixel.image import Border, LumaRange
from subpixel.kernels import Layout
from subpixel.sr.config import QUICKSTART, Experiment, flatten, load_config, to_json
from subpixel.sr.console import allow_any_name, one_line
from subpixel.sr.data.degradation import Kind
from subpixel.sr.errors import InputError, NonFiniteError, UnfinishedError
from subpixel.sr.evaluation.protocol import Channel, Grey, LrFrom, Protocol, ProtocolName, Rounding
from subpixel.sr.models.activations import Activation, OutputActivation


@dataclass(frozen=True)
class TrainOptions:
    """Trains the upsamplers of an experiment and compares them. The same command resumes."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    config: Path = QUICKSTART
    """File that assigns an Experiment to `config`; the options below override its fields."""
    workdir: Path | None = None
    """Where everything is left; by default runs/NAME."""
    seeds: tuple[int, ...] = ()
    """Runs the experiment once for each, in WORKDIR/seed-N; mean and spread go to sweep.json."""
    profile: bool = False
    """Traces ten steps into WORKDIR/profile, for xprof."""
    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""
    coordinator: str | None = None
    """Of a run of several processes: HOST:PORT of the first; or "auto" where JAX finds the others
    by itself, as under SLURM and on a TPU pod."""
    process: str | None = None
    """This process's number, from 0, and how many there are, such as 0/4; not with "auto"."""
    wait: int = 300
    """Seconds within which all processes must have come."""


@dataclass(frozen=True)
class EvalOptions:
    """Measures PSNR and SSIM of a model on benchmarks."""

    target: tyro.conf.Positional[str]
    """A released model's name (`python -m subpixel models` lists them), a workdir of train.py, a
    weights file, a PyTorch checkpoint, or "bicubic"."""
    scale: int
    """How many times larger the model's output is."""
    benchmarks: tuple[str, ...]
    """Folders of original images, under the data root or anywhere, or "embedded:test"."""
    protocol: ProtocolName = "matlab"
    """The convention that scores follow; the options from --crop to --shave change single
    choices of it. See docs/protocol.md."""
    crop: int | None = None
    """Originals are cropped to a multiple of this many pixels."""
    channel: Channel | None = None
    """What is measured: "y", luma, or "rgb"."""
    luma_range: LumaRange | None = None
    """"studio", 16..235 as in MATLAB, or "full", 0..255."""
    rounding: Rounding | None = None
    """Whether Y is rounded to "8bit" or left in "double"."""
    degradation: Kind | None = None
    """How low resolution is made: "bicubic", or "blur", a Gaussian of --sigma and --kernel-size
    and every r-th pixel; "unknown" is the set's own."""
    border: Border | None = None
    """Of bicubic: "symmetric" as in MATLAB today, "replicate" as before 2014."""
    sigma: float | None = None
    """Of blur: the Gaussian's standard deviation, in pixels of the original."""
    kernel_size: int | None = None
    """Of blur: the Gaussian's height and width, odd."""
    lr_from: LrFrom | None = None
    """Whether low resolution is made of the 8-bit "rgb" image or of its "luma", in double; or
    comes from the set's own "files", which are used where they are if nothing is said."""
    grey: Grey | None = None
    """Whether grey files are measured on their "luma" or on the values "stored"."""
    shave: int | None = None
    """Pixels left out at every side."""
    self_ensemble: bool = False
    """Adds a row: the network's mean over the eight flips and turns of its input."""
    worst: int = 0
    """Shows this many images of each benchmark, those with the lowest PSNR, worst first."""
    json: Path | None = None
    """File for the scores, of every image too."""
    csv: Path | None = None
    """File for the scores of every image, one in a line."""
    save_images: Path | None = None
    """Folder for the enlarged images."""
    error_maps: Path | None = None
    """Folder for images of the error: black is none, white 48 grey levels or more."""
    upsampler: Layout | None = None
    """Of a workdir with several upsamplers, which; by default the first."""
    checkpoint: str | None = None
    """Of a workdir: "best" on the held-out images, "last", or a step. By default the weights
    that the run ended with."""
    activation: Activation | None = None
    """Activation after the hidden layers of a PyTorch checkpoint, which does not state it
    (default: that of the network's paper, "tanh" for ESPCN)."""
    output_activation: OutputActivation | None = None
    """Activation at the end of a PyTorch checkpoint, which does not state it (default: "none")."""
    data_root: Path | None = None
    """Where data sets lie; by default the environment variable SUBPIXEL_DATA."""

    def __post_init__(self):
        if self.scale < 2:
            raise InputError(f"scale must be a whole number of at least 2; got {self.scale}")
        if not self.benchmarks:
            raise InputError("benchmarks must name at least one folder of images")
        if self.worst < 0:
            raise InputError(f"worst must be a number of images; got {self.worst}")

    def choose_protocol(self) -> Protocol:
        """Returns the protocol by its name, with the choices that were given.

        Raises:
          InputError: if they do not go together.
        """
        named = Protocol.named(self.protocol, self.scale)
        degradation = replace(
            named.degradation, **self._given("border", "sigma", "kernel_size", kind="degradation")
        )
        choices = self._given(
            "crop", "channel", "luma_range", "rounding", "lr_from", "grey", "shave"
        )
        return replace(named, degradation=degradation, **choices)

    def _given(self, *names: str, **renamed: str) -> dict[str, Any]:
        fields = {**dict(zip(names, names, strict=True)), **renamed}
        values = {field: getattr(self, option) for field, option in fields.items()}
        return {field: value for field, value in values.items() if value is not None}


def parse_train(arguments: Sequence[str]) -> TrainOptions:
    """Reads train.py's command line: the config file first, then what overrides it.

    Raises:
      InputError: if the config file cannot be used, or an option is unknown.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path, default=QUICKSTART)
    path = first.parse_known_args(arguments)[0].config
    default = TrainOptions(load_config(path), config=path)
    options, unknown = tyro.cli(
        TrainOptions,
        args=arguments,
        default=default,
        return_unknown_args=True,
        # The config file chooses the network; its options are --model.scale and so on.
        config=(tyro.conf.AvoidSubcommands,),
    )
    _refuse_unknown(unknown, [*flatten(to_json(default.experiment)), *_fields(TrainOptions)])
    return options


def parse_eval(arguments: Sequence[str]) -> EvalOptions:
    """Reads eval.py's command line.

    Raises:
      InputError: if an option is unknown.
    """
    options, unknown = tyro.cli(EvalOptions, args=arguments, return_unknown_args=True)
    _refuse_unknown(unknown, _fields(EvalOptions))
    return options


def _fields(options: type) -> list[str]:
    return [field.name for field in fields(options)]


def _refuse_unknown(unknown: Sequence[str], names: Sequence[str]) -> None:
    if not unknown:
        return
    option = unknown[0].partition("=")[0]
    nearest = get_close_matches(option.lstrip("-").replace("-", "_"), names, n=1, cutoff=0.0)
    raise InputError(f"unknown option {option}: the nearest is --{nearest[0]}; --help lists all")


# Exit codes by the kind of error; an OSError gives 1.
CODES = {InputError: 2, NonFiniteError: 3, UnfinishedError: 4}


def run_command(main: Callable[[], int]) -> None:
    """Calls a command and exits with its code; expected errors are printed in one line.

    The codes are 1 if the system refuses something (a full or read-only disk, a missing
    permission), 2 for input that cannot be used, 3 if a network computes infinity or NaN, 4 if a
    training is finished and its measurement failed, 130 after Ctrl-C and 143 after SIGTERM. A
    training handles these two signals itself, to save; everything else they end at once.
    """
    allow_any_name()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = main()
    except (*CODES, OSError) as error:
        print(f"error: {one_line(_describe(error))}", file=sys.stderr)
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), 1)
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        code = 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    sys.exit(code)


def _describe(error: Exception) -> str:
    """Returns the message of an error, with file names as they are instead of their repr."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"[Errno {error.errno}] {error.strerror}: {os.fsdecode(error.filename)}"
    return str(error)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
