"""What a folder holds beside its images is read, or named with its number."""

import shutil

import numpy as np
import pytest
from files import picture, save
from PIL import Image

from subpixel.sr.data.catalogue import find_sets
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.datasets.verify import verify

PICTURE = picture(0, 48, 60)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPE", ".dib", ".pnm", ".Jfif"])
def test_less_common_suffixes_are_read(tmp_path, suffix, caplog):
    kind = {".dib": "DIB", ".pnm": "PPM"}.get(suffix, "JPEG")
    save(tmp_path / "M/a.png", PICTURE)
    save(tmp_path / f"M/b{suffix}", PICTURE, format=kind)
    found = find_pairs("M", tmp_path)
    assert [image.name for image in found] == ["a", "b"]
    np.testing.assert_allclose(found[1].hr.load(), PICTURE, atol=0 if kind != "JPEG" else 40)
    assert caplog.messages == []


def test_one_name_with_two_suffixes_is_two_images(tmp_path):
    for seed, name in enumerate(("a.png", "a.jpg", "a.bmp", "b.png")):
        save(tmp_path / "M" / name, picture(seed))
    found = find_pairs("M", tmp_path)
    assert [image.name for image in found] == ["a.bmp", "a.jpg", "a.png", "b"]
    assert [image.hr.source.rsplit("/", 1)[1] for image in found[:3]] == ["a.bmp", "a.jpg", "a.png"]


# Files beside M/1.png, and what is said of them.
LEFT_OUT = {
    "camera raw": (("M/2.CR2", "M/3.cr2"), "2 images in {}/M with the suffix .cr2, which is not"),
    "HEIC": (
        ("M/2.heic", "M/3.HEIC"),
        "2 images in {}/M with the suffix .heic, which is not read: convert them to PNG",
    ),
    "vector": (("M/2.svg",), "1 image in {}/M with the suffix .svg, which is not read"),
    "sub-folders": (("M/2019/may/2.png", "M/2019/3.jpg"), "2 images in the sub-folder {}/M/2019"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_left_out_is_named_and_the_set_is_not_complete(tmp_path, case, caplog, capsys):
    files, sentence = LEFT_OUT[case]
    sentence = sentence.format(tmp_path)
    save(tmp_path / "M/1.png", PICTURE)
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "M/1.png", tmp_path / file)
    assert [image.name for image in find_pairs("M", tmp_path)] == ["1"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"M: left out: {sentence}")
    code = verify(find_sets(f"folder:{tmp_path}/M"), tmp_path)
    printed = capsys.readouterr().out
    assert code == 1
    assert f": images left out, 1 images in {tmp_path}/M\n  left out: {sentence}" in printed
    assert "complete" not in printed.replace(str(tmp_path), "")


def test_intact_images_that_are_not_used_are_not_called_damaged(tmp_path, capsys):
    save(tmp_path / "M/1.png", PICTURE)
    image = Image.open(tmp_path / "M/1.png")
    image.convert("CMYK").save(tmp_path / "M/2.jpg")
    image.save(tmp_path / "M/3.png", save_all=True, append_images=[image.rotate(180)])
    entries = find_sets(f"folder:{tmp_path}/M")
    assert verify(entries, tmp_path) == 1
    assert f": not usable, 3 images in {tmp_path}/M\n" in capsys.readouterr().out
    (tmp_path / "M/4.png").write_bytes((tmp_path / "M/1.png").read_bytes()[:-300])
    assert verify(entries, tmp_path) == 1
    first, *findings = capsys.readouterr().out.splitlines()
    assert ": damaged, 4 images in" in first
    starts = ("damaged: image {}/4.png is damaged", "not usable: image {}/2.jpg is CMYK",
              "not usable: image {}/3.png is animated")  # fmt: skip
    for finding, start in zip(findings, starts, strict=True):
        assert finding.startswith(f"  {start.format(tmp_path / 'M')}")


def test_files_that_are_no_images_are_not_mentioned(tmp_path, caplog, capsys):
    save(tmp_path / "M/1.png", PICTURE)
    for name in ("README.txt", "Thumbs.db", "._1.png", ".hidden.jpg", "notes.md", "clip.mp4"):
        (tmp_path / "M" / name).write_bytes(b"x")
    assert [image.name for image in find_pairs("M", tmp_path)] == ["1"]
    assert caplog.messages == []
    assert verify(find_sets(f"folder:{tmp_path}/M"), tmp_path) == 0
    assert "complete" in capsys.readouterr().out
