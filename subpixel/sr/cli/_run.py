"""Command lines: options from dataclasses, errors in one line, exit codes."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from itertools import dropwhile, takewhile
from types import FrameType, NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import tyro
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

    def parse() -> tuple[Options, list[str]]:
        # Without subcommands: the config file chooses the network, and --model.scale is of it.
        return tyro.cli(
            options,
            args=arguments,
            prog=prog,
            return_unknown_args=True,
            config=(tyro.conf.AvoidSubcommands,),
            registry=_stating_defaults(),
            **given,
        )

    try:
        with redirect_stderr(io.StringIO()):
            parsed, unknown = parse()
    except SystemExit as error:
        if not error.code:  # --help
            raise
        raise InputError(_explain(error, parse, options)) from None
    if unknown:
        option = unknown[0].partition("=")[0]
        if not option.startswith("-"):
            raise InputError(
                f"unexpected word {option!r}: a switch such as --overwrite takes no value, and the "
                "value of another option follows its name; --help lists all"
            )
        known = [*names, *(field.name for field in fields(options))]
        nearest = get_close_matches(option.lstrip("-").replace("-", "_"), known, n=1, cutoff=0.7)
        hint = f"the nearest is --{nearest[0]}; " if nearest else ""
        raise InputError(f"unknown option {option}: {hint}--help lists all")
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


# What tyro prints of an error, and the sentence for it. Other errors keep tyro's words.
SENTENCES = (
    (
        r"invalid choice (?P<value>.+) for argument '(?P<name>\S+)'\. Expected one of "
        r"\((?P<choices>.*)\)\.",
        "{name} must be one of {choices}; got {value}",
    ),
    (
        r"Missing value for argument '(?P<name>\S+)'.*",
        "{name} needs a value: --help lists all options",
    ),
    (
        r"Error parsing (?P<name>\S+): .*invalid literal for int\(\) with base 10: (?P<value>.+)",
        "{name} must be a whole number; got {value}",
    ),
    (
        r"Error parsing (?P<name>\S+): .*could not convert string to float: (?P<value>.+)",
        "{name} must be a number; got {value}",
    ),
    (r"Error parsing (?P<name>\S+): (?P<text>.*)", "{name}: {text}"),
)


def _explain(
    error: SystemExit, parse: Callable[[], Any], options: type["DataclassInstance"]
) -> str:
    """Returns why tyro ended, in one sentence."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):  # a dataclass refused the values of its fields
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    text = _printed_error(parse)
    if found := re.match(r"Missing from (.*?): ", text):
        missing = ", ".join(_missing(text[found.end() :], options))
        return f"{found[1]} needs {missing}: --help lists all options"
    for pattern, sentence in SENTENCES:
        if found := re.fullmatch(pattern, text):
            parts = {key: value or "" for key, value in found.groupdict().items()}
            # An option that may be left out has the choice "None", which nobody types.
            choices = re.findall(r"'(.*?)'", parts.get("choices", ""))
            optional = "None" in choices
            listed = sorted({*choices} - {"None"}) if optional else choices
            name = parts["name"].partition("/")[0]
            return sentence.format_map(
                {
                    **parts,
                    "choices": ", ".join(listed),
                    "name": name if name[0] == "-" else name.upper(),
                }
            )
    return text


def _missing(text: str, options: type["DataclassInstance"]) -> Iterator[str]:
    """Yields the names of the options that a text of tyro lists, a positional argument first."""
    for required in (field for field in fields(options) if field.default is MISSING):
        flag = f"--{required.name.replace('_', '-')}"
        if f"{flag} " in text:
            yield flag
        elif not text.startswith("-") and tyro.conf.Positional in _markers(options, required.name):
            yield required.name.upper()


def _markers(options: type, name: str) -> tuple[Any, ...]:
    return getattr(get_type_hints(options, include_extras=True)[name], "__metadata__", ())


def _printed_error(parse: Callable[[], Any]) -> str:
    """Returns the first part of the box that tyro prints for an error, in one line."""
    width, stdout, stderr = os.environ.get("COLUMNS"), io.StringIO(), io.StringIO()
    os.environ["COLUMNS"] = "10000"  # no line of the box is broken
    try:
        # To no terminal, so without colours.
        with redirect_stdout(stdout), redirect_stderr(stderr), suppress(SystemExit):
            parse()
    finally:
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width
    # The first line has the title; lines of dashes separate the parts.
    contents = (line.strip(" │|") for line in stderr.getvalue().splitlines()[1:])
    parts = dropwhile(_is_rule, filter(None, contents))
    return " ".join(takewhile(lambda line: not _is_rule(line), parts))


def _is_rule(line: str) -> bool:
    return not line.strip("─-+╰╯")


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
