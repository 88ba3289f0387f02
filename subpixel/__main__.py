"""``python -m subpixel``: the library's commands."""

import sys
from difflib import get_close_matches

import tyro

from subpixel.sr.commands.bench import (
    ConvTransposeBench,
    TrainingBench,
    bench_conv_transpose,
    bench_training,
)
from subpixel.sr.commands.cli import TrainOptions, parse_train, run_command
from subpixel.sr.commands.data import (
    DataDownload,
    DataList,
    DataPrepare,
    DataVerify,
    download_data,
    list_data,
    prepare_data,
    verify_data,
)
from subpixel.sr.commands.demo import Demo, demo
from subpixel.sr.commands.describe import describe
from subpixel.sr.commands.export import Export, export
from subpixel.sr.commands.figures import FiguresTable, show_figures
from subpixel.sr.commands.models import ModelsAdd, ModelsList, add_model, list_models
from subpixel.sr.commands.upscale import Upscale, UpscaleBench, bench_upscale, upscale
from subpixel.sr.errors import InputError

COMMANDS = {
    ("bench", "conv-transpose"): (ConvTransposeBench, bench_conv_transpose),
    ("bench", "training"): (TrainingBench, bench_training),
    ("bench", "upscale"): (UpscaleBench, bench_upscale),
    ("figures", "table"): (FiguresTable, show_figures),
    ("upscale",): (Upscale, upscale),
    ("export",): (Export, export),
    ("models",): (ModelsList, list_models),
    ("models", "add"): (ModelsAdd, add_model),
    ("demo",): (Demo, demo),
    ("describe",): (TrainOptions, describe),
    ("data",): (DataList, list_data),
    ("data", "verify"): (DataVerify, verify_data),
    ("data", "download"): (DataDownload, download_data),
    ("data", "prepare"): (DataPrepare, prepare_data),
}


def main() -> int:
    """Calls the command that the first words name, with the options that follow."""
    arguments = sys.argv[1:]
    names = [" ".join(words) for words in COMMANDS]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("\n".join(f"python -m subpixel {name} [--help]" for name in sorted(names)))
        return 0
    for length in (2, 1):
        words, rest = tuple(arguments[:length]), arguments[length:]
        # Beside `data verify` and its kin, another word after `data` is a command mistyped.
        is_group = any(len(other) > length and other[:length] == words for other in COMMANDS)
        if words in COMMANDS and not (is_group and rest and not rest[0].startswith("-")):
            options, command = COMMANDS[words]
            if options is TrainOptions:
                return command(parse_train(rest))
            prog = " ".join(("python -m subpixel", *words))
            return command(tyro.cli(options, args=rest, prog=prog))
    typed = " ".join(arguments[:2])
    nearest = get_close_matches(typed, names, n=1, cutoff=0.0)[0]
    raise InputError(
        f"unknown command {typed!r}: the nearest is `python -m subpixel {nearest}`; "
        "without arguments it lists all"
    )


if __name__ == "__main__":
    run_command(main)
