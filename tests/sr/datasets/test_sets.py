"""Named sets: a copy is recognised for what it is, and commands say so in a line."""

import dataclasses
import shutil
import sys

import pytest
from files import picture, save
from PIL import Image

from subpixel.__main__ import main
from subpixel.sr._support.errors import InputError
from subpixel.sr.cli._run import run_command
from subpixel.sr.data import catalogue
from subpixel.sr.data.catalogue import SETS, NamedSet
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.datasets import digests
from subpixel.sr.datasets import verify as inspection
from subpixel.sr.datasets.digests import digest_file, digest_pixels, known_digests
from subpixel.sr.datasets.verify import inspect

NAMES = ("one", "two 2", "drei ü")


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A set of three images, whole under the root tmp_path; digests of it are known."""
    entry = NamedSet("Mine", "a set", 3, "none", "http://here", ("Mine", "benchmark/Mine"))
    known = {}
    for seed, name in enumerate(NAMES):
        save(tmp_path / "Mine" / f"{name}.png", picture(seed, 48, 40))
        known[name] = digest_pixels(picture(seed, 48, 40))
    monkeypatch.setitem(catalogue.SETS, "Mine", entry)
    for module in (digests, inspection):
        monkeypatch.setattr(module, "known_digests", lambda name: known)
    return entry


def both(entry, root):
    return inspect(entry, root, read=False), inspect(entry, root, read=True)


def test_a_whole_copy_is_as_expected_in_any_layout_and_lossless_format(named, tmp_path):
    for found in both(named, tmp_path):
        assert found.state == "complete"
    (tmp_path / "Mine").rename(tmp_path / "HR")
    (tmp_path / "benchmark" / "Mine").mkdir(parents=True)
    folder = (tmp_path / "HR").rename(tmp_path / "benchmark" / "Mine" / "HR")
    # Under other names, they are known by their content.
    for number, path in enumerate(sorted(folder.iterdir())):
        with Image.open(path) as image:
            image.save(path.with_name(f"img_{number}.BMP" if number else f"{path.stem}.BMP"))
        path.unlink()
    (folder / "._one.png").write_bytes(b"macOS")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not an image")
    for found in both(named, tmp_path):
        assert found.state == "complete"
        assert found.folder == folder


def test_a_half_copied_set_names_what_is_missing(named, tmp_path):
    (tmp_path / "Mine" / "two 2.png").unlink()
    for found in both(named, tmp_path):
        assert (found.state, found.findings["missing"]) == ("half copied", ["two 2"])


@pytest.mark.parametrize("damage", ["short", "empty", "text"])
def test_damaged_images_are_named(named, tmp_path, damage):
    path = tmp_path / "Mine" / "drei ü.png"
    body = path.read_bytes()
    path.write_bytes({"short": body[:-80], "empty": b"", "text": b"<html>no</html>"}[damage])
    found = inspect(named, tmp_path, read=True)
    assert found.state == "damaged"
    (line,) = found.findings["damaged"]
    assert str(path) in line


def test_other_content_is_told_apart(named, tmp_path):
    folder = tmp_path / "Mine"
    with Image.open(folder / "one.png") as image:
        image.crop((0, 0, 36, 36)).save(folder / "one.png")
    with Image.open(folder / "two 2.png") as image:
        image.save(folder / "two 2.jpg", quality=60)
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "drei ü.png")
    (folder / "two 2.png").unlink()
    shutil.copy(folder / "one.png", folder / "extra.png")
    found = inspect(named, tmp_path, read=True)
    assert found.state == "other content"
    assert found.complete
    assert found.findings["other content"] == [
        "drei ü: other pixels: another image, or the same encoded again or by another decoder",
        "one: 36x36 pixels instead of 40x48",
        "two 2: other pixels: another image, or the same encoded again or by another decoder",
    ]
    assert found.findings["not of this set"] == ["extra"]
    quick = inspect(named, tmp_path, read=False)
    assert quick.findings["other content"] == ["one: 36x36 pixels instead of 40x48"]


def test_without_digests_counts_tell(named, tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "known_digests", lambda name: {})
    for count, kind, line in ((5, "missing", "2 of 5"), (2, "not of this set", "1 more than 2")):
        found = inspect(dataclasses.replace(named, count=count), tmp_path, read=True)
        assert (found.findings[kind], found.known) == ([line], False)


def test_a_jpeg_original_is_recognised_whatever_decodes_it(tmp_path, named, monkeypatch):
    path = tmp_path / "Mine" / "one.jpg"
    with Image.open(path.with_suffix(".png")) as image:
        image.save(path)
    path.with_suffix(".png").unlink()
    known = dict(inspection.known_digests("Mine"))
    assert inspect(named, tmp_path, read=True).findings["other content"]
    known["one"] = dataclasses.replace(known["one"], file=digest_file(path))
    monkeypatch.setattr(inspection, "known_digests", lambda name: known)
    assert inspect(named, tmp_path, read=True).state == "complete"


def test_the_digests_are_of_whole_sets_that_share_no_image_with_a_benchmark():
    counts = {name: len(known_digests(name)) for name in SETS if known_digests(name)}
    assert counts == {name: SETS[name].count for name in counts}
    assert set(counts) >= {"T91", "General100", "BSDS500/train", "BSDS500/test", "Set5", "B100"}
    assert known_digests("BSDS500/val") == known_digests("B100")
    benchmarks = {
        d.pixels for name in ("Set5", "Set14", "B100") for d in known_digests(name).values()
    }
    training = ("T91", "General100", "BSDS500/train", "BSDS500/test")
    assert not benchmarks & {d.pixels for name in training for d in known_digests(name).values()}


def test_the_sets_under_the_data_root_are_as_expected(data_root):
    for name in ("T91", "General100", "BSDS500/train", "BSDS500/test", "Set5", "Set14", "B100"):
        assert inspect(SETS[name], data_root, read=False).state == "complete"
    for name in ("Set5", "Set14", "BSDS300/train"):
        assert inspect(SETS[name], data_root, read=True).state == "complete"


def test_a_config_names_a_set_whatever_its_layout(named, tmp_path):
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "Mine").rename(tmp_path / "benchmark" / "Mine")
    found = [image.name for image in find_pairs("Mine", tmp_path)]
    assert found == sorted(NAMES)
    folder = f"folder:{tmp_path / 'benchmark' / 'Mine'}"
    assert [image.name for image in find_pairs(folder, None)] == found
    (tmp_path / "benchmark" / "Mine" / "one.png").unlink()
    with pytest.raises(InputError, match=r"Mine is half copied: .* has 2 of its 3 images"):
        find_pairs("Mine", tmp_path)
    assert len(find_pairs(folder, None)) == 2
    with pytest.raises(
        InputError, match=r"'Urban100' was not found .*`python -m subpixel data` says"
    ):
        find_pairs("Urban100", tmp_path)


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs `python -m subpixel data` in this process; returns code, output and errors."""

    def run(*arguments, root=None):
        monkeypatch.delenv("SUBPIXEL_DATA", raising=False)
        options = [f"--data-root={root}"] if root else []
        monkeypatch.setattr(sys, "argv", ["subpixel", "data", *arguments, *options])
        with pytest.raises(SystemExit) as stop:
            run_command(main)
        return stop.value.code, *capsys.readouterr()

    return run


def test_the_list_and_a_verification_of_a_damaged_set(tmp_path, run):
    (tmp_path / "Set5").mkdir()
    Image.new("RGB", (512, 512)).save(tmp_path / "Set5" / "baby.png")
    code, out, _ = run(root=tmp_path)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert set(SETS) <= set(lines)
    assert "half copied" in lines["Set5"]
    assert "missing: bird, butterfly, head, woman" in lines["Set5"]
    assert "http://www.manga109.org/en/" in lines["Manga109"]
    code, out, _ = run("verify", "Set5", root=tmp_path)
    assert code == 1
    assert out.splitlines()[1:] == [
        *(f"  missing: {name}" for name in ("bird", "butterfly", "head", "woman")),
        "  other content: baby: other pixels: another image, or the same encoded again or by "
        "another decoder",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "Sot5"], "there is no set 'Sot5': the nearest is Set5"),
        (["verify", "DIV2k"], "there is no set 'DIV2k': the nearest is DIV2K"),
        (["download", "BSD500/train"], "'BSD500/train': the nearest is BSDS500/train"),
        (["verify"], "name a set: T91, "),
        ([], "nothing says where data sets lie"),
    ],
)
def test_mistakes_end_in_one_line(arguments, said, run):
    root = "." if arguments else None
    code, _, error = run(*arguments, root=root)
    assert code == 2
    assert len(error.splitlines()) == 1
    assert said in error
