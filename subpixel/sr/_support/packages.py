"""Imports of optional packages; the error names the remedy."""

import importlib
from types import ModuleType

from subpixel.sr._support.errors import InputError


def require_package(name: str, purpose: str, extra: str = "export") -> ModuleType:
    """Imports an optional package.

    Raises:
      InputError: if it is not installed, naming the extra that installs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise InputError(
            f"{purpose} needs the package {error.name}, which is not installed: "
            f"pip install 'subpixel[{extra}]'"
        ) from None
