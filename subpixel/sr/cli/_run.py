"""Command lines: options from dataclasses, errors in one line, exit codes."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from types import FrameType, NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import tyro
from tyro import _errors as tyro_errors
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructTypeInfo,
)

from subpixel.sr._support.console import allow_any_name, one_line
from subpixel.sr._support.errors import InputError, NonFiniteError, UnfinishedError, describe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")

# By default empty: a missing name is explained by `find_sets`, in one line.
Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]


def parse_options(
    options: type[Options],
    arguments: Sequence[str],
    prog: str | None = None,
    *,
    default: Options | None = None,
    names: Sequence[str] = (),
) -> Options:
    """Reads the options of a command.

    Args:
      options: their dataclass.
      arguments: the words after the command.
      prog: the command as --help shows it; by default the script's name.
      default: the values of options that are not given; by default those of the dataclass.
      names: further options, such as "data.batch_size", beside the fields of the dataclass.

    Raises:
      InputError: if an option is unknown or missing, or its value cannot be used.
    """
    given: dict[str, Any] = {} if default is None else {"default": default}
    # Without subcommands, the config file chooses the network: its options are --model.scale etc.
    with tyro_errors.on_parse_error(_refuse):
        parsed, unknown = tyro.cli(
            options,
            args=arguments,
            prog=prog,
            return_unknown_args=True,
            config=(tyro.conf.AvoidSubcommands,),
            registry=_stating_defaults(),
            **given,
        )
    if unknown:
        option = unknown[0].partition("=")[0]
        if not option.startswith("-"):
            raise InputError(
                f"unexpected word {option!r}: a switch such as --overwrite takes no value, and the "
                "value of another option follows its name; --help lists all"
            )
        known = [*names, *(field.name for field in fields(options))]
        nearest = get_close_matches(option.lstrip("-").replace("-", "_"), known, n=1, cutoff=0.0)
        hint = f"the nearest is --{nearest[0]}; --help lists all" if nearest else "it takes none"
        raise InputError(f"unknown option {option}: {hint}")
    return parsed


def _stating_defaults() -> ConstructorRegistry:
    """Returns tyro's rules with two changes, for which tyro has no setting for all options.

    --help does not append "(default: None)" to an option: the text of an option whose default is
    None or empty states what that means, such as "(default: runs/NAME)". And it shows the values
    of an option that may be None without None, which is the option left out.
    """
    registry = ConstructorRegistry()
    asking = False

    def standard(ask: Callable[[Any], Any], kind: Any) -> Any:
        """Returns what tyro's own rules give; None inside of such a question."""
        nonlocal asking
        if asking:
            return None
        asking = True
        try:
            return ask(kind)
        finally:
            asking = False

    @registry.primitive_rule
    def without_none(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if NoneType not in get_args(kind.type):
            return None
        spec = standard(registry.get_primitive_spec, kind)
        if not isinstance(spec, PrimitiveConstructorSpec):
            return None
        return replace(spec, metavar=spec.metavar.replace("{None}|", "").replace("{None,", "{"))

    @registry.struct_rule
    def rule(kind: StructTypeInfo) -> StructConstructorSpec | None:
        spec = standard(registry.get_struct_spec, kind)
        if not isinstance(spec, StructConstructorSpec):
            return None
        hint = tyro.conf.arg(help_behavior_hint=_default_hint)
        stated = (replace(field, type=Annotated[field.type, hint]) for field in spec.fields)
        return replace(spec, fields=tuple(stated))

    return registry


def _default_hint(default: str) -> str:
    """Returns what --help appends to the text of an option; nothing for None and an empty list."""
    return "" if default in ("", "None") else f"(default: {default})"


# Python's messages for text that is not a number, by what stands before the text. For an option
# that may be None, tyro's message ends with Python's.
NOT_A_NUMBER = {
    "invalid literal for int() with base 10: ": "a whole number",
    "could not convert string to float: ": "a number",
}


def _refuse(event: tyro_errors.ParseErrorEvent) -> None:
    """Raises tyro's error as an error in one line, instead of its box.

    Other kinds of event, which these options do not cause, keep tyro's box.
    """
    if isinstance(event, tyro_errors.InvalidChoice):
        # tyro lists "None" among the choices of an option that is not given by default.
        optional = "None" in event.choices
        choices = ", ".join(sorted({*event.choices} - {"None"}) if optional else event.choices)
        raise InputError(f"{_name(event.argument)} must be one of {choices}; got {event.value!r}")
    if isinstance(event, tyro_errors.MissingArgs):
        names = ", ".join(_name(missing.arg) for missing in event.missing_arguments)
        raise InputError(f"{event.prog} needs {names}: --help lists all options")
    if isinstance(event, tyro_errors.BadValue):
        raise InputError(f"{_name(event.argument)} needs a value: --help lists all options")
    if isinstance(event, tyro_errors.InstantiationFailure):
        if event.argument is None:
            raise InputError(event.message)
        for start, kind in NOT_A_NUMBER.items():
            _, found, value = event.message.rpartition(start)
            if found:
                raise InputError(f"{_name(event.argument)} must be {kind}; got {value}")
        raise InputError(f"{_name(event.argument)}: {event.message}")


def _name(argument: Any) -> str:
    """Returns the name of an option, or the placeholder of a positional argument."""
    name = argument.display_name().partition("/")[0]
    return name if name.startswith("-") else name.upper()


# Exit codes by the kind of error; an OSError gives 1.
CODES = {InputError: 2, NonFiniteError: 3, UnfinishedError: 4}


def run_command(main: Callable[[], int]) -> None:
    """Calls a command and exits with its code; expected errors are printed in one line.

    The codes are 1 if the system refuses something (a full or read-only disk, a missing
    permission), 2 for input that cannot be used, 3 if a network computes infinity or NaN, 4 if a
    training is finished and its measurement failed, 130 after Ctrl-C and 143 after SIGTERM. A
    training handles these two signals itself, to save; everything else they end at once. If the
    reader of stdout has closed it, as `head` does, the command ends silently with 141.
    """
    allow_any_name()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError as error:
        if error.filename is None:
            # Python flushes stdout once more when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 128 + signal.SIGPIPE
        else:
            code = _report(error)
    except (*CODES, OSError) as error:
        code = _report(error)
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        code = 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    sys.exit(code)


def _report(error: Exception) -> int:
    """Prints an expected error in one line and returns its exit code."""
    print(f"error: {one_line(describe(error))}", file=sys.stderr)
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), 1)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
