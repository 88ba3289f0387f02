"""The check of a closed choice."""

from typing import Any, get_args


def validate_choice(name: str, value: Any, choices: Any) -> None:
    """Raises ValueError unless the value is one of those of a `Literal` type."""
    allowed = get_args(choices)
    if value not in allowed:
        names = [f'"{choice}"' for choice in allowed]
        raise ValueError(f"{name} must be {', '.join(names[:-1])} or {names[-1]}; got {value!r}")
