"""Which images an experiment trains on."""

import json
import os
import shutil
from pathlib import Path

import faults
import numpy as np
import pytest
from PIL import Image

import train as train_command
from subpixel.sr._support.errors import InputError
from subpixel.sr.comparison.result import read_comparison
from subpixel.sr.config import DataConfig, load_config
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.leak import check_no_leak
from subpixel.sr.data.pairs import find_pairs, find_training
from subpixel.sr.find import find_model

CONFIGS = Path(__file__).parents[2] / "configs"


def test_excluded_images_are_not_trained_on_and_must_be_there():
    data = DataConfig(train=("embedded:train",), exclude=("coffee", "grass"))
    names = [image.name for image in find_training(data, 3, None)]
    assert names == ["camera", "hubble_deep_field", "retina", "brick", "gravel"]
    data = DataConfig(train=("embedded:train",), exclude=("astronaut",))
    with pytest.raises(InputError, match=r"data\.exclude names astronaut, which no training"):
        find_training(data, 3, None)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_configs_leave_out_what_set5_has_of_bsds(data_root, scale):
    config = load_config(CONFIGS / f"espcn_x{scale}_bsds.py")
    training = find_training(config.data, scale, data_root)
    assert len(training) == 290
    woman = [p for p in find_pairs("BSDS500/train", data_root) if p.name == "302003"]
    assert "302003" not in [image.name for image in training]
    sentence = check_no_leak(woman, find_pairs("Set5", data_root))
    assert "302003.jpg looks like Set5/woman.png. If they are copies, leave them out" in sentence


@pytest.fixture
def leaking(tmp_path):
    """Images 0 to 2 to train on, of which 1 is measured on and 0 is there twice."""
    faults.make_images(tmp_path)
    shutil.copy(tmp_path / "train/0.png", tmp_path / "train/3.png")
    with Image.open(tmp_path / "train/1.png") as image:
        image.save(tmp_path / "test/0.png", "BMP")
    return tmp_path


def train(root, monkeypatch, *options):
    options = ("--steps=10", "--data.validation-images=1", *options)
    monkeypatch.setattr("sys.argv", faults.command(root, root / "run", *options)[1:])
    return train_command.main()


def test_a_leak_stops_a_training_before_its_workdir_is_made(leaking, monkeypatch):
    with pytest.raises(InputError, match=r"^1 training images .*1\.png is .*0\.png.*on_leak=warn"):
        train(leaking, monkeypatch)
    assert not (leaking / "run").exists()


def test_results_of_a_training_that_was_only_warned_name_leaks_and_duplicates(
    leaking, monkeypatch, capsys
):
    assert train(leaking, monkeypatch, "--data.on-leak=warn") == 0
    settings = read_comparison(leaking / "run/comparison.json").settings
    assert settings["leak"].startswith("1 training images are also in a benchmark")
    assert "(train/1.png is test/0.png)" in f"({settings['leak'].split(': ')[1]})"
    said = [line for line in capsys.readouterr().out.splitlines() if "more than once" in line]
    assert said == [settings["duplicates"]]
    assert said[0].startswith("1 training images occur more than once")
    assert str(leaking) not in settings["leak"] + said[0]
    assert "1.png" in (leaking / "run/report.html").read_text()
    target = find_model(str(leaking / "run"), 2)
    assert target.facts["on_leak"] == "warn"
    assert "on_leak=warn" in target.notes[0]


def test_an_image_that_only_looks_like_one_of_a_benchmark_stays_in_the_results(
    leaking, monkeypatch
):
    with Image.open(leaking / "train/1.png") as image:
        image.save(leaking / "test/0.png", "JPEG", quality=90)
    assert train(leaking, monkeypatch) == 0
    settings = read_comparison(leaking / "run/comparison.json").settings
    assert settings["leak"].startswith("1 training images look like images of a benchmark")
    assert "train/1.png looks like test/0.png" in settings["leak"]
    assert "1.png looks like" in (leaking / "run/report.html").read_text()


def test_a_resume_refuses_other_images(tmp_path, monkeypatch, capsys):
    faults.make_images(tmp_path)
    assert train(tmp_path, monkeypatch) == 0
    assert "quickstart: 2 images to train on, 1 held out for validation, test 1" in (
        capsys.readouterr().out
    )
    settings = read_comparison(tmp_path / "run/comparison.json").settings
    assert (settings["training_images"], settings["validation_images"]) == (2, 1)
    assert settings["training_lr"].startswith("made by MATLAB's imresize")
    weights = (tmp_path / "run/weights/subpixel.safetensors").read_bytes()
    added = tmp_path / "train/new.png"
    Image.fromarray(np.full((40, 40, 3), 7, np.uint8)).save(added)
    with pytest.raises(InputError, match=r"run was trained on other images: 1 new \(new\)"):
        train(tmp_path, monkeypatch)
    added.unlink()
    # The same set resumes, and a workdir without a record is one of an earlier version.
    assert train(tmp_path, monkeypatch) == 0
    (tmp_path / "run/images.json").unlink()
    assert train(tmp_path, monkeypatch) == 0
    assert (tmp_path / "run/images.json").is_file()
    assert (tmp_path / "run/weights/subpixel.safetensors").read_bytes() == weights


def test_lr_images_in_files_are_said_wherever_the_protocol_is(tmp_path, monkeypatch, capsys):
    faults.make_images(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "HR").mkdir()
        (tmp_path / part / "LR").mkdir()
        for path in sorted((tmp_path / part).glob("*.png")):
            pixels = np.asarray(Image.open(path))
            Image.fromarray(make_lr(pixels, 2)).save(tmp_path / part / "LR" / path.name)
            path.rename(tmp_path / part / "HR" / path.name)
    assert train(tmp_path, monkeypatch) == 0
    said = " ".join(capsys.readouterr().out.split())
    content = json.loads((tmp_path / "run/comparison.json").read_text())
    assert content["protocol"]["lr_from"] == "files"
    assert content["settings"]["training_lr"] == "from the files of the set"
    page = (tmp_path / "run/report.html").read_text()
    for text in (said, content["protocol"]["description"], page):
        assert "LR images from the files of the set" in text
        assert "imresize" not in text


NAMES = [b"caf\xe9", b"[red]a", b"[bold]", b"a\nb", "\u65e5\u672c \u00e9".encode()]


def test_no_name_stops_the_report_of_a_finished_training(tmp_path, monkeypatch):
    faults.make_images(tmp_path)
    (tmp_path / "test/0.png").unlink()
    rng = np.random.default_rng(1)
    for name in NAMES:
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "test" / os.fsdecode(name + b".png"))
    assert train(tmp_path, monkeypatch) == 0
    content = json.loads((tmp_path / "run/comparison.json").read_text())
    assert len(content["upsamplers"]["subpixel"]["images"]["test"]) == len(NAMES)
    page = (tmp_path / "run/report.html").read_bytes()
    assert sum(name in page for name in NAMES) == 2  # the images that the page shows
