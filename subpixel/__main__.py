"""``python -m subpixel``: the commands."""

import sys

from subpixel.sr.cli._run import run_command
from subpixel.sr.cli.table import run_any


def main() -> int:
    """Runs the command that the first words name, with the options that follow."""
    return run_any(sys.argv[1:])


def script() -> None:
    """Runs the console script ``subpixel``, the same as ``python -m subpixel``."""
    run_command(main)


if __name__ == "__main__":
    script()
