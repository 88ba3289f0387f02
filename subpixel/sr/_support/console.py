"""The console of the commands, which prints file names unchanged."""

import codecs
import sys
import unicodedata
from io import TextIOWrapper

from rich.console import Console
from rich.progress import Progress, ProgressColumn

ERRORS = "subpixel.names"


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Returns a console that prints text as it is: no markup in [brackets], no :emoji: codes."""
    return Console(stderr=stderr, quiet=quiet, markup=False, emoji=False)


def progress_bars(*columns: ProgressColumn) -> Progress:
    """Returns progress bars on stderr, shown on a terminal only and removed at their end."""
    console = make_console(stderr=True)
    columns = (*Progress.get_default_columns(), *columns)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def allow_any_name() -> None:
    """Lets stdout and stderr print file names that are not UTF-8, as the bytes that they are.

    Characters that the terminal's encoding lacks are printed as backslash escapes.
    """
    codecs.register_error(ERRORS, _encode_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def one_line(text: str) -> str:
    r"""Returns a text with control characters as escapes, so that it fits in one line.

    >>> one_line("a\nb [c] \udce9")
    'a\\nb [c] \udce9'
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) == "Cc" else char
        for char in text
    )


def _encode_name(error: UnicodeError) -> tuple[bytes | str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("backslashreplace")(error)
