"""Several seeds in one command, the description of a run, and the choice of a checkpoint."""

import json
import statistics

import faults
import pytest

import subpixel.__main__ as commands
import train as train_command
from subpixel.kernels import LAYOUTS
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.find import check_options, find_model


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    faults.make_images(folder)
    return folder


def sweep(root, monkeypatch, *seeds):
    arguments = faults.command(root, root / "swept", "--steps=12", "--seeds", *seeds)
    monkeypatch.setattr("sys.argv", arguments[1:])
    assert train_command.main() == 0


def test_seeds_are_run_once_each_and_summarised(root, monkeypatch, capsys):
    sweep(root, monkeypatch, "3")
    capsys.readouterr()
    sweep(root, monkeypatch, "3", "4")
    printed = capsys.readouterr().out
    assert "seed 3 is finished" in printed
    assert "mean ± sample standard deviation" in " ".join(printed.split())
    summary = json.loads((root / "swept" / "sweep.json").read_text())
    values = [
        json.loads((root / "swept" / f"seed-{seed}" / "comparison.json").read_text())["upsamplers"][
            "subpixel"
        ]["psnr"]["test"]
        for seed in (3, 4)
    ]
    assert values[0] != values[1]
    entry = summary["upsamplers"]["subpixel"]["psnr"]["test"]
    assert summary["seeds"] == [3, 4]
    assert entry["values"] == values
    assert entry["mean"] == pytest.approx(sum(values) / 2)
    assert entry["std"] == pytest.approx(statistics.stdev(values))

    # Every checkpoint that is there can be asked for.
    workdir = str(root / "swept" / "seed-3")
    assert find_model(workdir, 2, checkpoint="last").facts["step"] == 12
    assert find_model(workdir, 2, checkpoint="10").facts["step"] == 10
    assert find_model(workdir, 2, checkpoint="best").facts["step"] in (5, 10, 12)
    with pytest.raises(InputError, match="can be used for '7'"):
        find_model(workdir, 2, checkpoint="7")
    with pytest.raises(InputError, match="only a workdir"):
        check_options("bicubic", checkpoint="best")


def test_a_run_is_described_before_it_begins(root, monkeypatch, capsys):
    arguments = faults.command(root, root / "described", "--steps=12", "--data.exclude", "1")[2:]
    monkeypatch.setattr("sys.argv", ["subpixel", "describe", *arguments])
    assert commands.main() == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "training: 2 images (train without 1), 1 of them held out" in printed
    assert "12 steps of 2 patches: 24 patches of 8x8" in printed
    assert not (root / "described").exists()


@pytest.mark.parametrize("name", LAYOUTS)
def test_layers_are_counted_from_their_shapes(name):
    rows = ESPCNConfig(scale=3).layers(name)
    pixels = 2 * 5 * 7
    useful = [25 * 64 * pixels, 9 * 64 * 32 * pixels, 9 * 32 * 9 * pixels, 0]
    assert [pixels * row.useful for row in rows] == useful
    zeros = 9 if name == "zero_insert" else 1
    assert [pixels * row.executed for row in rows] == [*useful[:2], useful[2] * zeros, 0]
    assert sum(row.parameters for row in rows) == 22_729
    assert [row.output((2, 5, 7, 1)) for row in rows] == [
        (2, 5, 7, 64), (2, 5, 7, 32), (2, 15, 21, 1), (2, 15, 21, 1)
    ]  # fmt: skip
