"""A finished workdir becomes a released model: weights, facts and card."""

import io
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from release import make_release
from rich.console import Console
from safetensors.numpy import load_file, save_file

from subpixel.sr._support.errors import InputError
from subpixel.sr.config import (
    DataConfig,
    ESPCNConfig,
    Experiment,
    OptimizerConfig,
)
from subpixel.sr.experiment import run
from subpixel.sr.models import released
from subpixel.sr.models.released import load_released, read_release, released_names
from subpixel.sr.models.trained import named_params
from subpixel.sr.models.weights import load_weights
from subpixel.sr.workdir import weights_file

ROOT = Path(__file__).parents[2]
CONSOLE = Console(file=io.StringIO())
EXPERIMENT = Experiment(
    name="tiny",
    upsamplers=("subpixel", "zero_insert"),
    model=ESPCNConfig(scale=4, features=(4, 3), residual=True),
    data=DataConfig(
        train=("embedded:train",),
        benchmarks=("embedded:test",),
        patch_size=8,
        batch_size=2,
        validation_images=1,
    ),
    optimizer=OptimizerConfig(warmup_steps=1),
    steps=3,
    seed=7,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    assert run(EXPERIMENT, workdir, None, CONSOLE) == 0
    return workdir


@pytest.fixture
def workdir(finished, tmp_path, monkeypatch) -> Path:
    (tmp_path / "released").mkdir()
    monkeypatch.setattr(released, "RELEASED", tmp_path / "released")
    return Path(shutil.copytree(finished, tmp_path / "tiny"))


@pytest.mark.parametrize("upsampler", [None, "zero_insert"])
def test_weights_facts_and_card_are_those_of_the_training(workdir, upsampler):
    layout = upsampler or "subpixel"
    release = make_release(workdir, "tiny_x4", None, CONSOLE, upsampler=upsampler)
    assert released_names() == ["tiny_x4"]
    assert read_release("tiny_x4") == release
    source = load_weights(weights_file(workdir, layout))
    jax.tree.map(np.testing.assert_array_equal, load_released("tiny_x4").params, source.params)
    comparison = json.loads((workdir / "comparison.json").read_text())
    recorded = comparison["upsamplers"][layout]["psnr"]["embedded:test"]
    assert release.scores["embedded:test"].psnr == pytest.approx(recorded, abs=1e-4)
    assert release.bicubic["embedded:test"].psnr == pytest.approx(
        comparison["bicubic"]["psnr"]["embedded:test"], abs=1e-4
    )
    assert release.experiment == json.loads((workdir / "config.json").read_text())
    card = (released.RELEASED / "tiny_x4.md").read_text()
    for expected in (
        'subpixel.sr.load("tiny_x4")',
        f"{recorded:.2f} / ",
        "- `seed`: 7",
        "- `steps`: 3",
        release.sha256,
        "nearest-neighbour enlargement of the input; the paper's is not",
        comparison["environment"]["jax"],
    ):
        assert expected in card


def test_a_network_of_another_initialisation_is_released_from_old_and_new_weights(workdir):
    """Weights of an earlier version state the initialisation, which today's leave out."""
    config = workdir / "config.json"
    experiment = json.loads(config.read_text())
    experiment["model"]["upsampler_init"] = "independent"
    config.write_text(json.dumps(experiment))
    weights = weights_file(workdir, "subpixel")
    for header in (experiment["model"], {**experiment["model"], "upsampler_init": "icnr"}):
        tensors = load_file(weights)
        save_file(tensors, weights, {"model": json.dumps(header), "upsampler": "subpixel"})
        release = make_release(workdir, "tiny_x4", None, CONSOLE, overwrite=True)
        assert release.experiment["model"]["upsampler_init"] == "independent"
        loaded = load_released("tiny_x4")
        assert loaded.config == release.model
        assert named_params(loaded.params).keys() == tensors.keys()


def test_a_released_model_is_replaced_on_request_only(workdir):
    make_release(workdir, "tiny_x4", None, CONSOLE)
    with pytest.raises(InputError, match=r"there is a released model tiny_x4: .*--overwrite"):
        make_release(workdir, "tiny_x4", None, CONSOLE)
    make_release(workdir, "tiny_x4", None, CONSOLE, overwrite=True)


def other_weights(workdir):
    other = ROOT / "results/espcn_x4_bsds/weights/subpixel.safetensors"
    shutil.copy(other, weights_file(workdir, "subpixel"))


def change(alter):
    def damage(workdir):
        path = workdir / "comparison.json"
        comparison = json.loads(path.read_text())
        alter(comparison)
        path.write_text(json.dumps(comparison))

    return damage


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (lambda _: None, "tiny_x3", r"must end in _x4; got 'tiny_x3'"),
        (lambda w: (w / "comparison.json").unlink(), "tiny_x4", "is not finished: it has no comp"),
        (other_weights, "tiny_x4", "are not of one training"),
        (change(lambda c: c["settings"].pop("train_seconds")), "tiny_x4", "not state train_sec"),
        (change(lambda c: c["settings"].update(train_seconds=3)), "tiny_x4", "state train_sec"),
        (change(lambda c: c["settings"].pop("seed")), "tiny_x4", "does not state seed"),
        (change(lambda c: c["environment"].pop("jax")), "tiny_x4", "does not state jax"),
        (change(lambda c: c["upsamplers"].pop("subpixel")), "tiny_x4", "scores of subpixel"),
        (change(lambda c: c.update(settings=3)), "tiny_x4", "settings must be a JSON object"),
    ],
)
def test_what_is_not_one_finished_training_is_refused(workdir, damage, name, message):
    damage(workdir)
    with pytest.raises(InputError, match=message):
        make_release(workdir, name, None, CONSOLE)
    assert not released_names()
