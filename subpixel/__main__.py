"""``python -m subpixel``: the library's commands."""

import sys

import tyro

from subpixel.bench.command import ConvTransposeBench, bench_conv_transpose
from subpixel.cli import run_command
from subpixel.errors import InputError

COMMANDS = {("bench", "conv-transpose"): (ConvTransposeBench, bench_conv_transpose)}


def main() -> int:
    """Calls the command that the first words name, with the options that follow."""
    for words, (options, command) in COMMANDS.items():
        given, rest = sys.argv[1 : 1 + len(words)], sys.argv[1 + len(words) :]
        if tuple(given) == words:
            name = " ".join(("python -m subpixel", *words))
            return command(tyro.cli(options, args=rest, prog=name))
    names = ", ".join(" ".join(words) for words in COMMANDS)
    raise InputError(f"unknown command {' '.join(sys.argv[1:])!r}: there is {names}")


if __name__ == "__main__":
    run_command(main)
