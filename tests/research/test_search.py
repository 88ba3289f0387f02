"""The search reads its table, trains without the held-out images, and resumes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import search as tool
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import DataConfig, ESPCNConfig

ROOT = Path(__file__).parents[2]


def test_every_line_of_the_table_is_a_config():
    lines = [line.split("#")[0].strip() for line in tool.read_lines(ROOT / "research/search.txt")]
    trainings = [(tool.read_stages(line), tool.read_teacher(line)) for line in lines if line]
    distinct = {json.dumps([[tool.to_json(e) for e in stages], t]) for stages, t in trainings}
    assert len(distinct) == len(trainings) > 10
    adam = tool.read_line(
        "7 optimizer.name=adam seed=3 model.features=[8,4] optimizer.loss=l1 "
        "optimizer.warmup_steps=1"
    )
    assert (adam.steps, adam.seed, adam.optimizer.name) == (7, 3, "adam")
    assert (adam.model.features, adam.optimizer.loss) == ((8, 4), "l1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("900 optimizer.nam=adam", "optimizer.nam is no field of the config"),
        ("900 optimiser.name=adam", "optimiser.name is no field"),
        ("900 optimizer.name=adagrad", "one of 'adam', 'muon', 'soap'; got 'adagrad'"),
        ("many", "steps"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line, message):
    with pytest.raises(InputError, match=message):
        tool.read_line(line)


def test_a_teacher_is_no_field_and_its_images_are_averaged_with_the_originals():
    line = "7 teacher=espcn_x3 optimizer.warmup_steps=1"
    assert tool.read_line(line) == tool.read_line("7 optimizer.warmup_steps=1")
    assert tool.read_teacher(line) == "espcn_x3"
    assert tool.read_teacher("7 seed=1") is None
    y, x = np.mgrid[:8, :8]
    lr = (100 + 5 * x + 3 * y).astype(np.uint8)[..., None]
    hr = np.full((24, 24, 1), 120, np.uint8)
    ((same, mixed),) = tool.distil([(lr, hr)], "espcn_x3")
    assert same is lr
    network = tool.load_released("espcn_x3")
    taught = tool.NetworkUpscaler(network.graph, network.params, self_ensemble=True)
    difference = mixed.astype(float) - (hr + taught.luma_unrounded(lr)) / 2
    assert mixed.std() > 3
    assert np.abs(difference).max() <= 0.5
    with pytest.raises(InputError, match="espcn_x9"):
        tool.distil([(lr, hr)], "espcn_x9")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt is no file"):
        tool.search(tool.Search(tmp_path / "none.txt", tmp_path / "results.jsonl"))
    assert not (tmp_path / "results.jsonl").exists()


FIELDS = "optimizer.warmup_steps=1 optimizer.learning_rate=1e-2 optimizer.ema_decay=0.5"


def photos(tmp_path, monkeypatch):
    """Writes ten images, which the table's lines train a small network on; returns the source."""
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(10):
        noise = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((96, 96)).save(tmp_path / f"photos/{i}.png")
    source = f"folder:{tmp_path / 'photos'}"
    data = DataConfig(train=(source,), patch_size=8, batch_size=4, validation_images=1)
    model = ESPCNConfig(scale=2, features=(4, 3), residual=True)
    monkeypatch.setattr(tool, "BASE", replace(tool.BASE, data=data, model=model))
    return source


@pytest.mark.slow
def test_held_out_images_are_not_trained_on_and_finished_lines_are_skipped(tmp_path, monkeypatch):
    source = photos(tmp_path, monkeypatch)
    (tmp_path / "table.txt").write_text(f"3 {FIELDS} # a comment\n\n60 {FIELDS}\n")
    results = tmp_path / "new/results.jsonl"
    options = tool.Search(tmp_path / "table.txt", results, held_out=(source,))
    assert tool.search(options) == 0
    lines = results.read_text().splitlines()
    result, longer = map(json.loads, lines)
    # Of ten images the first and the ninth are held out, and one more is watched.
    assert (result["images"], result["training_images"]) == (2, 7)
    assert result["line"] == f"3 {FIELDS}"
    assert result["psnr"] + 1 < longer["psnr"] < 60
    assert tool.search(options) == 0
    assert results.read_text().splitlines() == lines


@pytest.mark.slow
def test_a_stage_starts_from_the_average_of_the_one_before_it(tmp_path, monkeypatch):
    source = photos(tmp_path, monkeypatch)
    still = FIELDS.replace("1e-2", "1e-9") + " data.patch_size=12"
    (tmp_path / "table.txt").write_text(f"60 {FIELDS}\n60 {FIELDS} then 2 {still}\n2 {still}\n")
    results = tmp_path / "results.jsonl"
    assert tool.search(tool.Search(tmp_path / "table.txt", results, held_out=(source,))) == 0
    one, both, second = map(json.loads, results.read_text().splitlines())
    assert both["psnr"] == pytest.approx(one["psnr"], abs=1e-3)
    assert both["config"]["data"]["patch_size"] == 12
    assert second["psnr"] < one["psnr"] - 1
    with pytest.raises(InputError, match="must have the same model"):
        tool.read_stages("900 model.features=[4,3] then 900 model.features=[5,3]")
