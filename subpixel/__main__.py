"""``python -m subpixel``: the commands."""

import sys

# The extras of a command that does not need all of `train`.
EXTRAS = {"upscale": "upscale", "demo": "upscale,export", "export": "upscale,export"}


def main() -> int:
    """Runs the command that the first words name, with the options that follow."""
    from subpixel.sr.cli.table import run_any

    return run_any(sys.argv[1:])


def script() -> None:
    """Runs the console script ``subpixel``, the same as ``python -m subpixel``."""
    try:
        from subpixel.sr.cli._run import run_command

        run_command(main)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("subpixel"):
            raise
        extras = EXTRAS.get(" ".join(sys.argv[1:2]), "train")
        print(
            f"error: {error.name} is not installed: pip install 'subpixel[{extras}]'",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    script()
