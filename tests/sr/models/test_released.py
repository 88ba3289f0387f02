"""Released models: found by name everywhere, and every fault of a file in one line."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import eval as eval_command
import subpixel.sr
from subpixel.__main__ import main
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig, PlainConfig
from subpixel.sr.find import find_model, find_start
from subpixel.sr.models import released
from subpixel.sr.models.released import (
    load_released,
    read_release,
    released_names,
    released_scales,
    split_name,
)
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.photo.engine import find_models
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.state import check_warm_start, start_training

NAMES = released_names()
LUMA = np.random.default_rng(0).random((2, 9, 11, 1), dtype=np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the released ESPCN x3 that a test may damage."""
    for path in released.released_files("espcn_x3"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(released, "RELEASED", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_released_model_loads_and_is_what_its_files_state(name):
    release = read_release(name)
    family, scale = split_name(name)
    network = subpixel.sr.load(name)
    assert released_scales(family)[scale] == name
    assert network.scale == scale
    assert release.parameters == sum(x.size for x in jax.tree.leaves(nnx.state(network)))
    # A slope is enlarged to a slope, so the mean of a pixel's phases is that pixel. The border,
    # which depends on the padding, is left out.
    rows, columns = np.linspace(0.2, 0.5, 32), np.linspace(0.0, 0.3, 40)
    slope = np.float32(rows[:, None] + columns)
    large = np.asarray(network(slope[None, ..., None])).reshape(32, scale, 40, scale)
    assert np.abs(large.mean((1, 3)) - slope)[12:-12, 12:-12].max() < 1e-3
    card = released.released_files(name)[2].read_text()
    assert release.sha256 in card
    for benchmark, score in release.scores.items():
        assert f"| {benchmark} | {score.images} |" in card
        assert f"{score.psnr:.2f} / {score.ssim:.4f}" in card


@pytest.mark.parametrize("name", NAMES)
def test_eval_repeats_the_stated_scores(name, data_root, tmp_path, monkeypatch):
    path = tmp_path / "scores.json"
    scale = split_name(name)[1]
    arguments = [name, f"--scale={scale}", f"--json={path}", f"--data-root={data_root}"]
    monkeypatch.setattr("sys.argv", ["eval.py", *arguments, "--benchmarks", "Set5"])
    assert eval_command.main() == 0
    found = json.loads(path.read_text())
    stated = read_release(name)
    assert found["model"]["parameters"] == stated.parameters
    assert found["protocol"] == stated.protocol
    assert found["results"]["Set5"]["psnr"] == pytest.approx(stated.scores["Set5"].psnr, abs=0.002)
    assert found["results"]["Set5"]["ssim"] == pytest.approx(stated.scores["Set5"].ssim, abs=1e-4)


def test_a_network_can_be_trained_on():
    network = subpixel.sr.load("espcn_x3")
    target = jnp.repeat(jnp.repeat(LUMA, 3, 1), 3, 2)
    optimizer = nnx.Optimizer(network, optax.adam(1e-3), wrt=nnx.Param)

    def loss(network):
        return jnp.mean((network(LUMA) - target) ** 2)

    first, gradient = nnx.value_and_grad(loss)(network)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    optimizer.update(network, gradient)
    assert loss(network) < first
    # Each call loads anew: the released weights are not what was trained.
    assert loss(subpixel.sr.load("espcn_x3")) == pytest.approx(float(first), rel=1e-6)


def test_one_name_serves_every_command(tmp_path, monkeypatch, capsys):
    expected = load_released("espcn_x3").params
    same = jax.tree_util.Partial(jax.tree.map, np.testing.assert_array_equal)
    same(find_model("espcn_x3").params, expected)
    config = TrainingConfig(model=read_release("espcn_x3").model, start_from="espcn_x3")
    same(start_training(config, "subpixel", find_start(config)).state.params, expected)
    image = LUMA[0].repeat(3, -1)
    by_name = find_models("espcn_x3").of_scale(3).run(image)
    by_file = find_models(str(released.released_files("espcn_x3")[0])).of_scale(3).run(image)
    np.testing.assert_array_equal(by_name, by_file)
    np.testing.assert_array_equal(find_models("espcn").of_scale(3).run(image), by_name)
    path = tmp_path / "model.safetensors"
    monkeypatch.setattr(sys, "argv", ["subpixel", "export", "espcn_x3", "-o", str(path)])
    assert main() == 0
    same(load_weights(path).params, expected)


def test_the_list_names_parameters_and_scores(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["subpixel", "models"])
    assert main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    rows = {line.split()[0]: line for line in lines}
    advice = (
        "which to take: plain_11x24 has the highest PSNR (upscale --model=plain_11x24); espcn, "
    )
    assert any(line.startswith(advice) for line in lines)
    for name in NAMES:
        release = read_release(name)
        assert f"{release.parameters:,}" in rows[name]
        for score in release.scores.values():
            assert f"{score.psnr:.2f} / {score.ssim:.4f}" in rows[name]


@pytest.mark.parametrize(
    ("load", "typed", "nearest"),
    [
        (load_released, "espcnx3", "espcn_x3"),
        (find_models, "espcnx3", "espcn_x3"),
        (subpixel.sr.load, "espcnx3", "espcn_x3"),
        (read_release, "espcnx3", "espcn_x3"),
        # A name without a scale is one of a family.
        (find_model, "espcm", "espcn"),
        (find_model, "escpn", "espcn"),
        (find_model, "plain10x18_x2", "plain_10x18_x2"),
        (find_model, "espcn_x5", "espcn_x4"),
        (lambda name: find_start(TrainingConfig(start_from=name)), "espcn3", "espcn_x3"),
    ],
)
def test_the_nearest_name_is_given_for_an_unknown_one(load, typed, nearest):
    with pytest.raises(InputError, match=f"the nearest released model is {nearest} "):
        load(typed)


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("espcn", None, "espcn is released for x2, x3, x4: name one of espcn_x2, "),
        ("plain_10x18", 5, "plain_10x18 is released for x2, x3, x4: name one of "),
        ("espcn_x3", 2, "espcn_x3 enlarges x3, but the scale asked for is x2"),
    ],
)
def test_a_family_has_the_model_of_a_scale(name, scale, message):
    assert find_model("espcn", 4).name == "espcn_x4"
    with pytest.raises(InputError, match=message):
        find_model(name, scale)


def test_a_training_does_not_start_from_parameters_of_another_meaning():
    trained = load_released("espcn_x3")
    with pytest.raises(InputError, match=r"model.input_scale: 6.4 there, 1.0 here; model.residual"):
        check_warm_start(ESPCNConfig(scale=3), trained)
    check_warm_start(trained.config, trained)
    check_warm_start(replace(trained.config, scale=4, dtype="bfloat16"), trained)
    with pytest.raises(InputError, match="other shapes"):
        check_warm_start(PlainConfig(scale=3), trained)


def test_a_released_name_comes_before_a_path_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = ESPCNConfig(scale=2, features=(4, 3))
    params = nnx.to_pure_dict(nnx.state(config.build("subpixel", 0)))
    save_weights(tmp_path / "espcn_x3", params, config, "subpixel")
    named = find_model("espcn_x3")
    assert named.config.scale == 3
    assert "write ./espcn_x3 for the path" in named.notes[0]
    assert find_model("./espcn_x3").config == config


def flip(folder):
    path = folder / "espcn_x3.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def rename(folder):
    (folder / "espcn_x3.json").write_text(
        (folder / "espcn_x3.json").read_text().replace("x3", "x4")
    )


def replace_weights(config, params):
    """Writes other weights, and states their digest."""

    def damage(folder):
        path, facts = folder / "espcn_x3.safetensors", folder / "espcn_x3.json"
        save_weights(path, params, config, "subpixel")
        values = json.loads(facts.read_text())
        values["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        facts.write_text(json.dumps(values))

    return damage


RELEASED = load_released("espcn_x3")
OTHER = replace(RELEASED.config, features=(64, 31))
FLAT = {**RELEASED.params["conv1"], "kernel": RELEASED.params["conv1"]["kernel"][:3]}


def state(content):
    return lambda folder: (folder / "espcn_x3.json").write_text(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            replace_weights(OTHER, nnx.to_pure_dict(nnx.state(OTHER.build("subpixel", 0)))),
            r"holds another network than .*espcn_x3.json states",
        ),
        (
            replace_weights(RELEASED.config, {**RELEASED.params, "conv1": FLAT}),
            r"conv1.kernel is 3x5x1x64 instead of 5x5x1x64",
        ),
        (flip, r"espcn_x3.safetensors is not the file that .* describes: its SHA-256 is [0-9a-f]"),
        (rename, r"espcn_x3.json is the file of espcn_x4, renamed"),
        (state("{"), r"released model: .*espcn_x3.json cannot be read: .* Install the package"),
        (state("[1]"), r"espcn_x3.json does not fit this version: it must be a JSON object"),
        (state("[" * 10**5), r"espcn_x3.json cannot be read: .* Install the package again"),
        (state("{}"), r"espcn_x3.json does not fit this version: name is missing"),
        (
            lambda folder: (folder / "espcn_x3.safetensors").unlink(),
            r"No such file or directory: .*espcn_x3.safetensors. Install the package again",
        ),
        (
            lambda folder: (folder / "espcn_x3.json").unlink(),
            "this installation has no released models",
        ),
    ],
)
def test_damaged_and_missing_files_are_found(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        load_released("espcn_x3")


@pytest.mark.parametrize("name", ["", "espcn", "espcn_x", "ESPCN_x3", "../espcn_x3", "espcn_x03"])
def test_names_of_another_form_are_refused(name):
    with pytest.raises(InputError, match=r"FAMILY_xSCALE .*; got"):
        split_name(name)
