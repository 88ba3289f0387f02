"""Names that a room re-exports and that are imported when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(room: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a room's `__init__.py` (PEP 562).

    The configs of a room are imported without the libraries that the rest of the room needs.

    Args:
      room: the room's `__name__`.
      modules: the module in the room by the name that it defines.
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{modules[name]}"), name)

    return load
