"""Where LR images came from is said in the protocol's line and in the JSON."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from subpixel.sr.data.degradation import Degradation, make_lr
from subpixel.sr.data.pairs import find_benchmarks
from subpixel.sr.evaluation.measurement import measure_model, show_measurement, write_measurement
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.table import read_scores
from subpixel.sr.inference.upscaler import BicubicUpscaler

# Layouts of the LR images of a set: folder of the originals, of the LR images, ending of a name.
FILES = {
    "A": ("HR", "LR", ""),
    "B": ("GTmod12", "LRbicx2", ""),
    "C": ("C_HR", "C_LR_bicubic/X2", "x2"),
    "D": ("image_SRF_2", "image_SRF_2", None),
}


def darker(lr):
    return lr - lr // 32


def write(root, name, *, lr):
    hr_folder, lr_folder, ending = FILES[name]
    rng = np.random.default_rng(ord(name))
    for i in range(2):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        hr = np.asarray(Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC))
        files = {f"{hr_folder}/{i}": hr, f"{lr_folder}/{i}{ending}": darker(make_lr(hr, 2))}
        if ending is None:
            files = {
                f"{hr_folder}/{i}_SRF_2_HR": hr,
                f"{lr_folder}/{i}_SRF_2_LR": darker(make_lr(hr, 2)),
            }
        for path, pixels in list(files.items())[: None if lr else 1]:
            file = root / name / f"{path}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)


def measure(root, *names, lr_from=None, **choices):
    protocol = Protocol.named("matlab", 2, lr_from=lr_from, **choices)
    scale = None if lr_from == "rgb" else 2
    benchmarks = find_benchmarks([f"folder:{n}" for n in names], root, scale, protocol.degradation)
    output = io.StringIO()
    console = Console(file=output, width=2000)
    measured = measure_model(BicubicUpscaler(2), benchmarks, protocol, console)
    about = {"name": "bicubic"}
    show_measurement(measured, about, console)
    write_measurement(measured, about, json=root / "scores.json")
    values = json.loads((root / "scores.json").read_text())
    assert values["protocol"]["description"] in output.getvalue()
    return values


@pytest.mark.parametrize("name", FILES)
def test_files_are_said_and_made_ones_are_others(tmp_path, name):
    write(tmp_path, name, lr=True)
    files = measure(tmp_path, name)
    assert "LR images from the files of the set" in files["protocol"]["description"]
    assert "imresize" not in files["protocol"]["description"]
    assert files["protocol"]["lr_from"] == files["results"][name]["lr_from"] == "files"
    assert read_scores(tmp_path / "scores.json")["bicubic"][name].protocol.lr_from == "files"
    made = measure(tmp_path, name, lr_from="rgb")
    assert "LR images by MATLAB's imresize" in made["protocol"]["description"]
    assert made["protocol"]["lr_from"] == made["results"][name]["lr_from"] == "rgb"
    assert made["results"][name]["psnr"] > files["results"][name]["psnr"] + 1


def test_of_several_sets_those_with_files_are_named(tmp_path):
    write(tmp_path, "A", lr=True)
    write(tmp_path, "B", lr=False)
    values = measure(tmp_path, "A", "B")
    description = values["protocol"]["description"]
    assert "LR images by MATLAB's imresize" in description
    assert description.endswith("; but LR images of A from its files")
    assert [values["results"][name]["lr_from"] for name in "AB"] == ["files", "rgb"]


def test_a_degradation_that_is_computed_does_not_use_files(tmp_path):
    write(tmp_path, "A", lr=True)
    description = measure(tmp_path, "A", degradation="blur")["protocol"]["description"]
    assert "a Gaussian of sigma 1.6" in description
    unknown = measure(tmp_path, "A", degradation="unknown")["protocol"]
    assert unknown["degradation"]["kind"] == Degradation("unknown").kind
    assert "LR images from the files of the set" in unknown["description"]
