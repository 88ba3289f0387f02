"""The configs that start from a folder of photographs and from a released model, run shortly."""

import json
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from PIL import Image

import train as train_command
from subpixel.sr.config import CONFIGS, load_config
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.models.released import load_released
from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.state import check_warm_start


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Four photographs, and a thumbnail that is smaller than a patch."""
    folder = tmp_path_factory.mktemp("photos")
    for image in find_pairs("embedded:train", None)[:4]:
        Image.fromarray(image.hr.load()[:240, :240]).save(folder / f"{image.name}.png")
    Image.new("RGB", (40, 30)).save(folder / "thumbnail.png")
    return folder


def train(monkeypatch, name: str, photos: Path, workdir: Path, *options: str) -> list[dict]:
    arguments = [
        f"--config=configs/{name}.py", f"--workdir={workdir}", "--data.train", f"folder:{photos}",
        "--steps=2", "--optimizer.warmup-steps=1", "--data.batch-size=4", *options,
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    assert train_command.main() == 0
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_own_photographs_are_trained_on(photos, tmp_path, monkeypatch):
    records = train(monkeypatch, "own_photos", photos, tmp_path / "run")
    assert [r["step"] for r in records if "validation_psnr" in r] == [0, 2]
    settings = json.loads((tmp_path / "run/comparison.json").read_text())["settings"]
    # The thumbnail is left out.
    assert (settings["training_images"], settings["validation_images"]) == (2, 2)


@pytest.mark.slow
def test_a_released_model_is_trained_further(photos, tmp_path, monkeypatch):
    records = train(monkeypatch, "finetune", photos, tmp_path / "run")
    before, after = [r["validation_psnr"] for r in records if "validation_psnr" in r]
    fresh = train(monkeypatch, "finetune", photos, tmp_path / "fresh", "--start-from=None")
    # It begins where the released model is, not at a new network, and stays near it.
    assert before > fresh[0]["validation_psnr"] + 1
    assert after == pytest.approx(before, abs=0.5)
    config = load_config(CONFIGS / "finetune.py")
    assert config.start_from is not None
    released = load_released(config.start_from).params
    trained = load_weights(tmp_path / "run/weights/subpixel.safetensors")
    moved = np.abs(trained.params["upsampler"]["kernel"] - released["upsampler"]["kernel"]).max()
    assert 0 < moved < 0.01
    assert nnx.to_pure_dict(nnx.state(trained.build())).keys() == released.keys()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_every_config_can_start_from_what_it_names(path):
    config = load_config(path)
    if config.start_from is not None:
        check_warm_start(config.model, config.start_from)
    assert config.name == path.stem
