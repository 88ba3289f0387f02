"""Frozen dataclasses as configuration: checks of their values, JSON, differences."""

import dataclasses
import json
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import cattrs
from cattrs.v import format_exception

from subpixel.sr.errors import InputError

Config = TypeVar("Config")


def require(holds: bool, message: str) -> None:
    """Raises InputError with the message unless the condition holds."""
    if not holds:
        raise InputError(message)


def check_choices(config: Any, prefix: str = "") -> None:
    """Checks that every field declared as a `Literal` has one of its values.

    Args:
      config: a dataclass instance; called from its `__post_init__`.
      prefix: of the field names in the message, such as "optimizer.".

    Raises:
      InputError: naming the field, its value and the choices.
    """
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        if get_origin(hint) is Literal:
            value = getattr(config, field.name)
            choices = get_args(hint)
            require(
                value in choices,
                f"{prefix}{field.name} must be one of {', '.join(map(repr, choices))}; "
                f"got {value!r}",
            )


def to_json(config: Any) -> dict[str, Any]:
    """Returns a dataclass as what JSON can hold."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(values: dict[str, Any], kind: type[Config], source: str) -> Config:
    """Undoes `to_json`.

    Args:
      values: what `to_json` returned.
      kind: the dataclass.
      source: where the values were found, for the message.

    Raises:
      InputError: if a field is unknown, missing or of the wrong kind.
    """
    try:
        return cattrs.Converter(forbid_extra_keys=True).structure(values, kind)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, format_exception=_explain))
        raise InputError(f"{source} is not a config of this version: {problems}") from error


def _explain(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, InputError) else format_exception(error, kind)


def differences(old: Any, new: Any) -> list[str]:
    """Returns a line for each field that differs, "steps: 100 there, 200 here"."""
    there, here = flatten(to_json(old)), flatten(to_json(new))
    return [
        f"{key}: {there.get(key)} there, {here.get(key)} here"
        for key in {**there, **here}
        if there.get(key) != here.get(key)
    ]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested fields by their dotted names, as on the command line."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
