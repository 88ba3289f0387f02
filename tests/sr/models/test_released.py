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
from subpixel.sr.config import ESPCNConfig, Experiment, OptimizerConfig, PlainConfig, to_json
from subpixel.sr.models import released
from subpixel.sr.models.find import find_model
from subpixel.sr.models.released import (
    is_released,
    load_released,
    read_release,
    released_names,
    released_scales,
    split_name,
)
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.photo.engine import find_models
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
    assert network(LUMA).shape == (2, 9 * scale, 11 * scale, 1)
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
    model = read_release("espcn_x3").model
    state = start_training(model, OptimizerConfig(), 1000, "subpixel", 0, "espcn_x3").state
    same(state.params, expected)
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
    "load", [find_model, load_released, find_models, subpixel.sr.load, read_release]
)
def test_the_nearest_name_is_given_for_an_unknown_one(load):
    with pytest.raises(InputError, match="the nearest released model is espcn_x3"):
        load("espcnx3")


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("espcm", "espcn"),
        ("escpn", "espcn"),
        ("plain10x18_x2", "plain_10x18_x2"),
        ("espcn_x5", "espcn_x4"),
    ],
)
def test_a_family_is_suggested_for_a_name_without_a_scale(typed, nearest):
    with pytest.raises(InputError, match=f"the nearest released model is {nearest} "):
        find_model(typed)


def test_a_family_has_the_model_of_a_scale():
    assert find_model("espcn", 4).name == "espcn_x4"
    assert find_model("plain_10x18", 2).config.scale == 2
    with pytest.raises(
        InputError, match="espcn is released for x2, x3, x4: name one of espcn_x2, "
    ):
        find_model("espcn")
    with pytest.raises(InputError, match="plain_10x18 is released for x2, x3, x4: name one of "):
        find_model("plain_10x18", 5)
    with pytest.raises(InputError, match="espcn_x3 enlarges x3, but the scale asked for is x2"):
        find_model("espcn_x3", 2)


def test_a_training_that_starts_from_an_unknown_name_ends_before_anything_is_done():
    with pytest.raises(InputError, match=r"there is no model 'espcn3': .* is espcn_x3"):
        check_warm_start(ESPCNConfig(scale=3), "espcn3")


def test_a_training_does_not_start_from_parameters_of_another_meaning():
    with pytest.raises(InputError, match=r"model.input_scale: 6.4 there, 1.0 here; model.residual"):
        check_warm_start(ESPCNConfig(scale=3), "espcn_x3")
    model = read_release("espcn_x3").model
    check_warm_start(model, "espcn_x3")
    check_warm_start(replace(model, scale=4, dtype="bfloat16"), "espcn_x3")
    with pytest.raises(InputError, match="other shapes"):
        check_warm_start(PlainConfig(scale=3), "espcn_x3")


def test_a_released_name_comes_before_a_path_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = ESPCNConfig(scale=2, features=(4, 3))
    params = nnx.to_pure_dict(nnx.state(config.build("subpixel", 0)))
    save_weights(tmp_path / "espcn_x3", params, config, "subpixel")
    named = find_model("espcn_x3")
    assert named.config.scale == 3
    assert "write ./espcn_x3 for the path" in named.notes[0]
    assert find_model("./espcn_x3").config == config


@pytest.mark.parametrize("option", ["checkpoint", "activation"])
def test_options_of_other_targets_are_refused(option):
    values = {"checkpoint": "last", "activation": "relu"}
    with pytest.raises(InputError, match="espcn_x3"):
        find_model("espcn_x3", **{option: values[option]})


def test_a_flipped_byte_is_found(folder):
    path = folder / "espcn_x3.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"espcn_x3.safetensors is damaged: its SHA-256 is [0-9a-f]"
    ):
        load_released("espcn_x3")


def test_renamed_files_are_found(folder):
    (folder / "espcn_x3.json").rename(folder / "espcn_x4.json")
    with pytest.raises(InputError, match=r"espcn_x4.json .* it is the file of espcn_x3, renamed"):
        load_released("espcn_x4")
    with pytest.raises(InputError, match=r"there is no released model 'espcn_x3'.* is espcn_x4"):
        load_released("espcn_x3")


def test_weights_of_another_network_are_found_though_their_digest_is_stated(folder):
    path, facts = folder / "espcn_x3.safetensors", folder / "espcn_x3.json"
    config = replace(read_release("espcn_x3").model, features=(64, 31))
    save_weights(path, nnx.to_pure_dict(nnx.state(config.build("subpixel", 0))), config, "subpixel")
    values = json.loads(facts.read_text())
    values["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    facts.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"it holds another network than .*espcn_x3.json states"):
        load_released("espcn_x3")


def test_weights_of_wrong_shape_are_found_though_their_digest_is_stated(folder):
    path, facts = folder / "espcn_x3.safetensors", folder / "espcn_x3.json"
    release = read_release("espcn_x3")
    params = load_released("espcn_x3").params
    params = params | {"conv1": {**params["conv1"], "kernel": params["conv1"]["kernel"][:3]}}
    save_weights(path, params, release.model, "subpixel")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facts.write_text(json.dumps(to_json(replace(release, sha256=digest))))
    with pytest.raises(InputError, match=r"conv1.kernel is 3x5x1x64 instead of 5x5x1x64"):
        load_released("espcn_x3")


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 10**5, "{}"])
def test_damaged_facts_are_found(folder, content):
    (folder / "espcn_x3.json").write_text(content)
    with pytest.raises(InputError, match=r"espcn_x3.json"):
        load_released("espcn_x3")


def test_missing_files_are_found(folder):
    (folder / "espcn_x3.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"espcn_x3.safetensors .* cannot be read: .* Install the package"
    ):
        load_released("espcn_x3")
    (folder / "espcn_x3.json").unlink()
    assert not is_released("espcn_x3")
    with pytest.raises(InputError, match="this installation has no released models"):
        load_released("espcn_x3")


@pytest.mark.parametrize("name", ["", "espcn", "espcn_x", "ESPCN_x3", "../espcn_x3", "espcn_x03"])
def test_names_of_another_form_are_refused(name):
    with pytest.raises(InputError, match=r"FAMILY_xSCALE .*; got"):
        split_name(name)


def test_start_from_is_kept_in_a_config():
    experiment = Experiment(name="a", model=ESPCNConfig(scale=3), start_from="espcn_x3")
    assert to_json(experiment)["start_from"] == "espcn_x3"
