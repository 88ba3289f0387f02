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
    write_text(path, "second \u00e9")
    assert path.read_bytes() == "second \u00e9".encode()
    assert path.stat().st_ino != before
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"made", b"replaced"):
        write_bytes(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content


def test_a_pipe_is_written_into_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content, received = os.urandom(200_000), []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, content)
    reader.join()
    assert received == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_into_and_stays():
    write_json(Path(os.devnull), {"a": 1})
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_failed_write_leaves_the_file_as_it_was_and_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("kept")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as error:
        write_text(path, "new")
    assert error.value.filename == str(path)
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_device_is_named():
    with pytest.raises(OSError, match="No space left") as error:
        write_bytes(Path("/dev/full"), b"x")
    assert error.value.filename == "/dev/full"


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, b"x")


def test_names_that_are_not_utf8_are_written_as_their_bytes(tmp_path):
    write_text(tmp_path / "names", os.fsdecode(b"a\xe9b"))
    assert (tmp_path / "names").read_bytes() == b"a\xe9b"


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_json_never_holds_a_number_that_is_not_finite(tmp_path, number):
    values = {"a": [number, {"b": (number, 1.5)}], "c": number}
    expected = {"a": [None, {"b": [None, 1.5]}], "c": None}
    assert json.loads(dump_json(values), parse_constant=pytest.fail) == expected
    write_json(tmp_path / "a.json", values)
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail) == expected


def test_naming_keeps_the_file_that_an_error_names(tmp_path):
    with pytest.raises(FileNotFoundError) as error, errors_name(tmp_path / "output"):
        (tmp_path / "other").read_bytes()
    # The output is what the user gave; the cause still names the other file.
    assert error.value.filename == str(tmp_path / "output")
    assert error.value.__cause__.filename == str(tmp_path / "other")
