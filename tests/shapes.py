"""The check of jaxtyping's shapes and types in the signatures of the package, during the tests.

`pyproject.toml` names `check` in pytest's options, and jaxtyping applies it to each function.
"""

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin

from beartype import beartype
from jaxtyping import AbstractArray


def check(function: Callable) -> Callable:
    """Checks the arrays that a function takes and returns; other arguments have messages of ours.

    Flax annotates some arguments with protocols that no type checker can check while code runs.
    """
    hints = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    function.__annotations__ = hints
    return beartype(function) if hints else function


def _has_shape(hint: Any) -> bool:
    # The check would take an item out of the container, which may lie on disk or be consumed.
    if getattr(get_origin(hint), "__module__", "") == "collections.abc":
        return False
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
