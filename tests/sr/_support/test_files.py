"""Output files: replaced in one step, written through links, into pipes and devices."""

import json
import math
import os
import stat
import threading
from pathlib import Path

import pytest

from subpixel.sr._support.files import dump_json, errors_name, write_bytes, write_json, write_text


def test_a_plain_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "first")
    before = path.stat().st_ino
    # A name that is not UTF-8 is written as its bytes.
    write_text(path, os.fsdecode(b"second \xc3\xa9 a\xe9b"))
    assert path.read_bytes() == b"second \xc3\xa9 a\xe9b"
    assert path.stat().st_ino != before
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_links_pipes_and_devices_stay(tmp_path):
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    link.symlink_to(target)
    for content in (b"made", b"replaced"):
        write_bytes(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    os.mkfifo(pipe)
    content, received = os.urandom(200_000), []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, content)
    reader.join()
    assert received == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_json(Path(os.devnull), {"a": 1})
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failed_write_leaves_the_file_as_it_was_and_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("kept")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    for place in (path, Path("/dev/full")):
        with pytest.raises(OSError, match="No space left") as error:
            write_text(place, "new")
        assert error.value.filename == str(place)
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, b"x")


def test_json_never_holds_a_number_that_is_not_finite(tmp_path):
    for number in (math.inf, -math.inf, math.nan):
        values = {"a": [number, {"b": (number, 1.5)}], "c": number}
        expected = {"a": [None, {"b": [None, 1.5]}], "c": None}
        assert json.loads(dump_json(values), parse_constant=pytest.fail) == expected
        write_json(tmp_path / "a.json", values)
        stored = (tmp_path / "a.json").read_text()
        assert json.loads(stored, parse_constant=pytest.fail) == expected


def test_naming_keeps_the_file_that_an_error_names(tmp_path):
    with pytest.raises(FileNotFoundError) as error, errors_name(tmp_path / "output"):
        (tmp_path / "other").read_bytes()
    # The output is what the user gave; the cause still names the other file.
    assert error.value.filename == str(tmp_path / "output")
    assert error.value.__cause__.filename == str(tmp_path / "other")
