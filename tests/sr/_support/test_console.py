"""One console: file names are printed as they are."""

import os
import subprocess
import sys

NAMES = [
    "[bold]a[/bold].png",
    "[/nothing]",
    ":smile:.png",
    "\\[a]",
    "caf\u00e9 \u65e5\u672c",
    "a[red",
]


def printed(code: str, *words: bytes | str, encoding: str = "utf-8") -> bytes:
    code = (
        "import os, sys\n"
        "from rich.table import Table\n"
        "from subpixel.sr._support.console import allow_any_name, make_console, one_line\n"
        f"allow_any_name(); {code}"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, check=True, env=environment
    )
    return done.stdout


def test_names_are_no_markup_also_in_a_table_and_as_bytes():
    code = (
        "make_console().print(chr(10).join(sys.argv[1:]), soft_wrap=True); table = Table('name'); "
        "[table.add_row(name) for name in sys.argv[1:]]; make_console().print(table)"
    )
    shown = printed(code, *NAMES, b"caf\xe9.png").splitlines()
    assert shown[: len(NAMES) + 1] == [*(name.encode() for name in NAMES), b"caf\xe9.png"]
    table = b"".join(shown[len(NAMES) + 1 :])
    assert all(name.encode() in table for name in NAMES)


def test_characters_that_the_encoding_lacks_are_escapes():
    assert printed("print(sys.argv[1])", "\u65e5.png", encoding="ascii") == b"\\u65e5.png\n"
