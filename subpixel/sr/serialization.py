"""Frozen dataclasses as configuration: validation of their fields, JSON, differences."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from subpixel.sr._support.errors import InputError

Config = TypeVar("Config")

# How a message names a kind of value.
KINDS = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a string",
    Path: "a path",
    NoneType: "none",
}


@dataclasses.dataclass(frozen=True)
class Retired:
    """A field that a config had in earlier versions: what "no" was, and why it went.

    A config's class lists them by name in `retired`. A file that holds the value `ignored` is
    read; one that holds another value is refused with the reason.
    """

    ignored: Any
    reason: str


def require(holds: bool, message: str) -> None:
    """Raises InputError with the message unless the condition holds."""
    if not holds:
        raise InputError(message)


def check_fields(config: Any, prefix: str = "") -> None:
    """Checks that every field holds a value of its declared type.

    Literals, numbers, strings, truth values, paths, dataclasses, and tuples and unions of them are
    checked. A whole number counts as a float; infinity and NaN do not.

    Args:
      config: a dataclass instance; called from its `__post_init__`.
      prefix: of the field names in the message, such as "optimizer.".

    Raises:
      InputError: naming the field, its value and what it must be.
    """
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        hint, value = hints[field.name], getattr(config, field.name)
        require(
            _fits(value, hint), f"{prefix}{field.name} must be {_describe(hint)}; got {value!r}"
        )


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        # 1 == True == 1.0, of which only one is a choice.
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, UnionType):
        return any(_fits(value, member) for member in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if hint is float:
        return type(value) is int or (isinstance(value, float) and math.isfinite(value))
    if hint is int:
        return type(value) is int
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, UnionType):
        return " or ".join(map(_describe, arguments))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a tuple whose items are each {_describe(arguments[0])}"
        return f"a tuple of {len(arguments)}: {', '.join(map(_describe, arguments))}"
    return KINDS.get(hint, f"a {hint.__name__}")


def to_json(config: Any) -> dict[str, Any]:
    """Returns a dataclass as a JSON object."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(values: Any, kind: Any, source: str) -> Any:
    """Undoes `to_json`.

    Args:
      values: a JSON object that `to_json` returned.
      kind: the dataclass, or a tagged union of dataclasses: each member has a field whose type is
        a `Literal` of one value, and these fields have one name. Values without that field are
        those of the first member.
      source: file that the values come from, for the message.

    Raises:
      InputError: if a field is unknown, missing or of the wrong kind.
    """
    try:
        require(isinstance(values, dict), f"it must be a JSON object; got {type(values).__name__}")
        return structure(values, kind)
    except InputError as error:
        raise InputError(f"{source} does not fit this version: {error}") from error


def read_json(path: Path, kind: type[Config]) -> Config:
    """Reads a dataclass from a JSON file.

    Raises:
      InputError: if the file cannot be read, or a field is unknown, missing or of the wrong kind.
    """
    try:
        values = json.loads(path.read_bytes())
    # A damaged file can also hold bytes that are no text, or lists nested too deep.
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return from_json(values, kind, str(path))


def structure(values: Any, kind: Any, path: str = "") -> Any:
    """Returns a value of a type from JSON: a dataclass from the values of its fields.

    Args:
      values: the JSON values.
      kind: a type that `check_fields` checks, Any, a list, a dict, or a tagged union.
      path: of the values in the document, for the message.

    Raises:
      InputError: naming each field that is unknown, missing or of the wrong kind, in one line.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    members = [member for member in arguments if member is not NoneType]
    stated = NoneType not in arguments or not _fits(values, NoneType)
    if origin in (Union, UnionType) and stated and all(map(dataclasses.is_dataclass, members)):
        kind = members[0] if len(members) == 1 else _member(values, members, path)
    if dataclasses.is_dataclass(kind):
        return _build(values, kind, path)
    if origin is dict:
        require(isinstance(values, dict), f"{path} must be a JSON object; got {values!r}")
        return {k: structure(value, arguments[1], f"{path}.{k}") for k, value in values.items()}
    if origin is list or (origin is tuple and isinstance(values, list)):
        require(isinstance(values, list), f"{path or 'it'} must be a list; got {values!r}")
        fixed = origin is tuple and arguments[-1] is not Ellipsis
        kinds = arguments if fixed else arguments[:1] * len(values)
        require(len(kinds) == len(values), f"{path} must be {_describe(kind)}; got {values!r}")
        items = enumerate(zip(values, kinds, strict=True))
        return origin(structure(value, each, f"{path}[{i}]") for i, (value, each) in items)
    if kind is Path and isinstance(values, str):
        return Path(values)
    require(kind is Any or _fits(values, kind), f"{path} must be {_describe(kind)}; got {values!r}")
    return float(values) if kind is float else values


def _build(values: Any, kind: Any, path: str) -> Any:
    """Returns a dataclass from the values of its fields, those of earlier versions left out."""
    require(isinstance(values, dict), f"{path or 'it'} must be a JSON object")
    values = dict(values)
    for name, field in getattr(kind, "retired", {}).items():
        found = values.pop(name, field.ignored)
        require(found == field.ignored, f"{name} {found!r} is not supported: {field.reason}")
    hints, fields = get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    given, problems = {}, []
    if unknown := values.keys() - fields:
        problems.append(
            f"{path or 'it'} has no field {', '.join(sorted(unknown))}: remove it; the fields are "
            f"{', '.join(fields)}"
        )
    for name, field in fields.items():
        inside = f"{path}.{name}" if path else name
        if name in values:
            try:
                given[name] = structure(values[name], hints[name], inside)
            except InputError as error:
                problems.append(str(error))
        elif field.default is field.default_factory is dataclasses.MISSING:
            problems.append(f"{inside} is missing: add it")
    require(not problems, "; ".join(problems))
    return kind(**given)


def _member(values: Any, members: Sequence[Any], path: str) -> Any:
    """Returns the member of a tagged union that the values belong to.

    The tag is the field that has in each member a `Literal` of one value; without it the values are
    those of the first member.
    """
    tags = [
        {name: get_args(hint)[0] for name, hint in get_type_hints(member).items() if _is_tag(hint)}
        for member in members
    ]
    (tag,) = set.intersection(*map(set, tags))
    if not isinstance(values, dict) or tag not in values:
        return members[0]
    by_tag = {own[tag]: member for own, member in zip(tags, members, strict=True)}
    value = values[tag]
    require(
        isinstance(value, str) and value in by_tag,
        f"{path and path + '.'}{tag} must be one of {', '.join(map(repr, by_tag))}; got {value!r}",
    )
    return by_tag[value]


def _is_tag(hint: Any) -> bool:
    return get_origin(hint) is Literal and len(get_args(hint)) == 1


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
