"""The table of all commands. A command's module is imported only when the command runs."""

from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from subpixel.sr._support.command import command_name
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import parse_options

# Name, module in this folder, summary. A module has a dataclass `Options` and a function `run`,
# which returns the exit code and raises InputError for what cannot be used.
COMMANDS = {
    "compile": ("compile", "compiles training and network for a GPU or TPU that is not here"),
    "data": ("data", "lists the named data sets"),
    "data download": ("data_download", "downloads a data set"),
    "data verify": ("data_verify", "checks every image of a data set"),
    "demo": ("demo", "builds the page that enlarges photographs in the browser"),
    "describe": ("describe", "layers, work, memory and data of an experiment"),
    "evaluate": ("evaluate", "PSNR and SSIM of a model on benchmarks (eval.py)"),
    "export": ("export", "writes a network as ONNX, PyTorch or StableHLO"),
    "models": ("models", "lists the released models"),
    "models hub": ("models_hub", "writes a model as a folder for the Hugging Face Hub"),
    "scores table": ("scores_table", "one table from several results of `evaluate --json`"),
    "train": ("train", "trains and compares the upsamplers of an experiment (train.py)"),
    "upscale": ("upscale", "enlarges photographs, folders and videos"),
}
HELP = ("-h", "--help")


def run_named(name: str, arguments: Sequence[str], prog: str | None = None) -> int:
    """Runs a command of the table and returns its exit code.

    Raises:
      InputError: if the options or the input cannot be used.
    """
    command, options = parse_named(name, arguments, prog)
    return command.run(options)


def parse_named(name: str, arguments: Sequence[str], prog: str | None = None) -> tuple[Any, Any]:
    """Returns the module of a command, and its options."""
    command: Any = import_module(f"subpixel.sr.cli.{COMMANDS[name][0]}")
    parse = parse_options
    if "experiment" in {field.name for field in fields(command.Options)}:
        from subpixel.sr.cli.train import parse_with_config as parse  # loads Flax
    return command, parse(command.Options, arguments, prog)


def run_any(arguments: Sequence[str]) -> int:
    """Runs the command that the first one or two words name, with the options that follow.

    Without a command, or with the first word of several, it lists them.

    Raises:
      InputError: if there is no such command.
    """
    for length in (2, 1):
        name, rest = " ".join(arguments[:length]), arguments[length:]
        # `data` is a command and the first word of others, so a word after it is a typing error.
        mistyped = _group(name) and rest and not rest[0].startswith("-")
        if name in COMMANDS and not mistyped:
            return run_named(name, rest, f"{command_name()} {name}")
    words = [word for word in arguments if word not in HELP]
    if not words or (len(words) == 1 and _group(words[0])):
        print("\n".join(_listing(_group(words[0]) if words else list(COMMANDS))))
        return 0
    typed = " ".join(arguments[:2])
    nearest = get_close_matches(typed, COMMANDS, n=1, cutoff=0.0)[0]
    raise InputError(
        f"unknown command {typed!r}: the nearest is `{command_name()} {nearest}`; "
        "without arguments it lists all"
    )


def _group(word: str) -> list[str]:
    """Returns the commands of two words that begin with this one."""
    return [name for name in COMMANDS if name.startswith(f"{word} ")]


def _listing(names: Sequence[str]) -> list[str]:
    width = max(map(len, names))
    lines = [f"{command_name()} {name:{width}}  {COMMANDS[name][1]}" for name in names]
    return [*lines, "", "Each has --help."]
