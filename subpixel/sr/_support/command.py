"""The name of the command as the user typed it."""

import sys
from pathlib import Path


def command_name() -> str:
    """Returns "subpixel" for the console script, and "python -m subpixel" otherwise."""
    return "subpixel" if Path(sys.argv[0]).stem == "subpixel" else "python -m subpixel"
