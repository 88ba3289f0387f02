"""Images are prepared once, whole or not at all, and a cache that does not hold is made again."""

import errno
import json
import multiprocessing
import os
import shutil
import time

import numpy as np
import pytest
from files import picture, save
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data import preparation
from subpixel.sr.data.leak import fingerprint
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.data.preparation import INDEX, PIXELS, prepare

COUNT = 5


@pytest.fixture
def folder(tmp_path):
    for index in range(COUNT):
        save(tmp_path / "set" / f"{index}.png", picture(index, 13 + index, 17))
    return tmp_path / "set"


def prepared(folder, channels=1, progress=None, small=0):
    images = find_pairs(str(folder), None, 2)
    return prepare(
        images, 2, channels, cache=folder.parent / "cache", small=small, progress=progress
    )


def decoded(folder, **options):
    """How many images were decoded: none if the cache was used."""
    seen = []
    prepared(folder, progress=lambda done, of: seen.append(done), **options)
    return max(seen, default=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_cache_holds_what_decoding_gives(folder, channels):
    made = prepared(folder, channels)
    again = prepared(folder, channels)
    in_memory = prepared(folder.rename(folder.with_name("moved")), channels, small=2**20)
    assert made.folder == again.folder
    assert in_memory.folder is None
    assert made.fingerprints == again.fingerprints == in_memory.fingerprints
    for found in (again, in_memory):
        assert len(found.pairs) == COUNT
        for (lr, hr), (known_low, known_high) in zip(found.pairs, made.pairs, strict=True):
            np.testing.assert_array_equal(lr, known_low)
            np.testing.assert_array_equal(hr, known_high)
            assert hr.shape == (2 * lr.shape[0], 2 * lr.shape[1], channels)


def test_files_and_settings_decide_whether_a_cache_holds(folder):
    assert [decoded(folder), decoded(folder)] == [COUNT, 0]
    assert [decoded(folder, channels=3), decoded(folder, channels=3)] == [COUNT, 0]
    path = folder / "1.png"
    path.touch()
    assert [decoded(folder), decoded(folder)] == [COUNT, 0]
    # Of the same size, and with its old times set back.
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    image = np.asarray(Image.open(path))[::-1]
    size = path.stat().st_size
    Image.fromarray(image).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0")[: max(size, path.stat().st_size)])
    os.utime(path, ns=times)
    assert decoded(folder) == COUNT
    assert prepared(folder).fingerprints[1] == fingerprint(image)
    (folder / "4.png").unlink()
    assert decoded(folder) == COUNT - 1


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def change_index(path):
    index = json.loads(path.read_text())
    index["images"][0]["fingerprint"]["sort"] = ""
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (PIXELS, shorten),
        (INDEX, shorten),
        (INDEX, change_index),
        (INDEX, lambda path: path.write_text(path.read_text().replace("17", "16"))),
        (PIXELS, lambda path: path.unlink()),
        (INDEX, lambda path: path.unlink()),
    ],
)
def test_a_cache_that_is_not_whole_is_made_again(folder, file, damage):
    made = prepared(folder)
    expected = [hr.copy() for _, hr in made.pairs]
    damage(made.folder / file)
    assert decoded(folder) == COUNT
    for (_, hr), known in zip(prepared(folder).pairs, expected, strict=True):
        np.testing.assert_array_equal(hr, known)


def test_nothing_is_left_of_a_cache_that_could_not_be_made(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(preparation.json, "dumps", full)
        patch.setattr(preparation, "cache_name", lambda *_: "name")
        with pytest.raises(OSError, match=r"cache .*: No space left on device\. Free space"):
            prepared(folder)
    (folder / "3.png").write_text("not an image")
    with pytest.raises(InputError, match=r"3\.png is not an image"):
        prepared(folder)
    assert {path.suffix for path in (folder.parent / "cache").iterdir()} == {".lock"}


def test_what_a_killed_process_left_is_removed(folder):
    made = prepared(folder).folder
    left = made.with_name(f"{made.name}.part")
    shutil.move(made, left)
    assert decoded(folder) == COUNT
    assert not left.exists()


def prepare_slowly(folder, begun):
    def progress(done, of):
        if done == 1:
            begun.set()
            time.sleep(0.5)

    prepared(folder, progress=progress)


def test_of_two_processes_the_second_waits_and_uses_what_the_first_made(folder):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    other = context.Process(target=prepare_slowly, args=(folder, begun))
    other.start()
    assert begun.wait(120)
    assert not any((folder.parent / "cache").glob(f"*/{INDEX}"))
    assert decoded(folder) == 0
    other.join()
    assert other.exitcode == 0
