"""Names that a package re-exports and imports at their first use."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    room: str, modules: Mapping[str, str], packages: Collection[str] = ()
) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package's `__init__.py` (PEP 562).

    A part of a package is imported without the libraries that its other parts need.

    Args:
      room: the `__name__` of the package.
      modules: the module in the package, by the name that it defines.
      packages: modules in the package that are names themselves.
    """

    def load(name: str) -> Any:
        if name in packages:
            return import_module(f"{room}.{name}")
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{modules[name]}"), name)

    return load
