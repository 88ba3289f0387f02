"""Frozen dataclasses as configuration: validation of their fields, JSON, differences."""

import dataclasses
import json
import math
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

import cattrs
from cattrs.gen import make_dict_structure_fn
from cattrs.v import format_exception

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


@overload
def from_json(values: Any, kind: type[Config], source: str) -> Config: ...


@overload
def from_json(values: Any, kind: UnionType, source: str) -> Any: ...


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
        raise InputError(f"{source} is not a config of this version: {error}") from error


def structure(values: Any, kind: Any) -> Any:
    """Returns a dataclass, or a member of a tagged union, from the values of its fields.

    Raises:
      InputError: naming each field that is unknown, missing or of the wrong kind, in one line.
    """
    try:
        return _converter().structure(values, kind)
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, format_exception=_explain)
        raise InputError("; ".join(map(_field_first, problems))) from error


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    # By default cattrs turns 2.5 into 2 and "false" into True.
    for kind in (int, float, bool, str):
        converter.register_structure_hook(kind, _keep_kind(kind))
    converter.register_structure_hook_func(lambda kind: get_origin(kind) is Literal, _keep)

    def fixed_length(values: Any, kind: Any) -> tuple[Any, ...]:
        kinds = get_args(kind)
        fits = isinstance(values, list | tuple) and len(values) == len(kinds)
        require(fits, f"must be {_describe(kind)}; got {values!r}")
        return tuple(map(converter.structure, values, kinds))

    converter.register_structure_hook_func(
        lambda kind: get_origin(kind) is tuple and get_args(kind)[-1] is not Ellipsis, fixed_length
    )
    converter.register_structure_hook_factory(
        lambda kind: _is_dataclass(kind) and hasattr(kind, "retired"), _without_retired
    )
    converter.register_structure_hook_func(
        lambda kind: _tag_of(kind) is not None,
        lambda values, kind: converter.structure(values, _member(values, kind)),
    )
    return converter


def _without_retired(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """Returns the hook of a dataclass that had more fields in earlier versions."""
    read = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def structure(values: Any, _: Any) -> Any:
        if not isinstance(values, dict):
            return read(values, kind)
        for name, field in kind.retired.items():
            found = values.get(name, field.ignored)
            require(found == field.ignored, f"{name} {found!r} is not supported: {field.reason}")
        kept = {name: value for name, value in values.items() if name not in kind.retired}
        return read(kept, kind)

    return structure


def _keep(value: Any, kind: Any) -> Any:
    require(_fits(value, kind), f"must be {_describe(kind)}; got {value!r}")
    return value


def _keep_kind(kind: type) -> Callable[[Any, type], Any]:
    return lambda value, _: kind(_keep(value, kind))


def _tag_of(kind: Any) -> str | None:
    """Returns the name of the field that tells the members of a tagged union apart, or None."""
    members = get_args(kind)
    if get_origin(kind) not in (Union, UnionType) or not all(map(_is_dataclass, members)):
        return None
    tags = (set(map(itemgetter(0), _tags(member))) for member in members)
    common = set.intersection(*tags)
    return common.pop() if len(common) == 1 else None


def _member(values: Any, kind: Any) -> type:
    """Returns the member of a tagged union that the values belong to."""
    members, tag = get_args(kind), _tag_of(kind)
    if tag is None or not isinstance(values, dict) or tag not in values:
        return members[0]
    by_tag = {dict(_tags(member))[tag]: member for member in members}
    value = values[tag]
    require(
        isinstance(value, str) and value in by_tag,
        f"{tag} must be one of {', '.join(map(repr, by_tag))}; got {value!r}",
    )
    return by_tag[value]


def _tags(kind: type) -> list[tuple[str, Any]]:
    """Returns the fields of a dataclass whose type is a `Literal` of one value, and the values."""
    hints = get_type_hints(kind).items()
    return [
        (name, get_args(hint)[0])
        for name, hint in hints
        if get_origin(hint) is Literal and len(get_args(hint)) == 1
    ]


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _explain(error: BaseException, kind: type | None) -> str:
    """Returns one problem, which starts with its verb if it does not name the field itself."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyError):
        return "is missing: add it"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        names = ", ".join(sorted(map(str, error.extra_fields)))
        known = ", ".join(field.name for field in dataclasses.fields(error.cl))
        return f"has no field {names}: remove it; the fields are {known}"
    if _is_dataclass(kind) or _tag_of(kind) is not None:
        return "must be a JSON object"
    return format_exception(error, kind)


def _field_first(problem: str) -> str:
    """Moves the path of a field, which cattrs writes at the end, to the start.

    A message that names the field itself, as those of a config's `__post_init__`, loses the path.

    >>> _field_first("must be a whole number; got 2.5 @ $.model.scale")
    'model.scale must be a whole number; got 2.5'
    >>> _field_first("optimizer.learning_rate must be positive; got -1.0 @ $.optimizer")
    'optimizer.learning_rate must be positive; got -1.0'
    """
    message, _, path = problem.rpartition(" @ $")
    starts_with_verb = message.startswith(("must be ", "is missing", "has no field "))
    return f"{path.removeprefix('.') or 'it'} {message}" if starts_with_verb else message


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
