"""The benchmark of inference: contenders compute one function, and the numbers fit together."""

import functools
import importlib.util
import json

import inference
import numpy as np
import pytest
from race import Program

from subpixel.kernels import LAYOUTS
from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, PlainConfig

# Four engines compile three networks with three upsamplers.
pytestmark = pytest.mark.slow
SMALL = {
    "espcn": functools.partial(ESPCNConfig, features=(4, 3), kernel_sizes=(5, 3, 3)),
    "fsrcnn": functools.partial(FSRCNNConfig, features=5, shrunk_features=3, mapping_layers=1),
    "plain": functools.partial(PlainConfig, depth=3, width=4),
}
TORCH = importlib.util.find_spec("torch") is not None
ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


@pytest.fixture(scope="module")
def results():
    """All networks and upsamplers; an image that needs several tiles a side."""
    options = inference.Options(height=19, width=37, rounds=2, torch_compile=False)
    return inference.measure(options, configs=SMALL)


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_contenders_agree_and_are_timed(results, network, upsampler):
    entry = results["networks"][network][upsampler]
    contenders, differences = entry["contenders"], entry["max_difference"]
    expected = {inference.WHOLE, inference.EIGEN, inference.TILES}
    expected |= {inference.ONNX} if ONNX else set()
    if TORCH and upsampler != "zero_insert":
        expected.add("torch, channels last")
    if TORCH and upsampler == "zero_insert":
        assert "no layer that inserts zeros" in entry["skipped"]["torch"]
    assert set(contenders) == set(differences) == expected - set(entry["skipped"])
    assert differences[inference.WHOLE] == 0
    assert max(differences.values()) < 1e-5
    for name, measured in contenders.items():
        low, high = measured["quartiles_ms"]
        assert 0 < low <= measured["median_ms"] <= high
        assert measured["frames_per_second"] == pytest.approx(1e3 / measured["median_ms"])
        pixels = 9 * 19 * 37 / 1e6
        assert measured["megapixels_per_second"] == pytest.approx(
            pixels * measured["frames_per_second"]
        )
        assert name.startswith("torch") or measured["cpu_ms"] >= 0


def test_the_result_states_what_was_measured(results):
    environment = results["environment"]
    assert environment["threads"] >= 1
    assert environment["load_average"] >= 0
    assert bool(environment.get("onnxruntime")) == ONNX
    assert bool(environment.get("torch")) == TORCH
    assert (results["height"], results["width"], results["rounds"]) == (19, 37, 2)


def test_a_contender_that_computes_something_else_is_an_error():
    contenders = inference.Contenders()
    contenders.programs["other"] = Program(lambda: None, None, None)
    contenders.outputs = {inference.WHOLE: np.zeros((2, 2)), "other": np.full((2, 2), np.nan)}
    with pytest.raises(RuntimeError, match=r"different functions: \{'other': nan\}"):
        inference._race(contenders, 1)


def test_a_package_that_is_missing_is_said(monkeypatch, tmp_path, capsys):
    def missing(*_):
        raise InputError("running an ONNX model needs the package onnxruntime")

    monkeypatch.setattr(inference, "OnnxNetwork", missing)
    real = functools.partial(inference.measure, configs=SMALL)
    monkeypatch.setattr(inference, "measure", real)
    options = inference.Options(
        networks=("espcn",),
        upsamplers=("subpixel",),
        height=9,
        width=11,
        rounds=1,
        torch=False,
        json=tmp_path / "inference.json",
    )
    assert inference.run(options) == 0
    stored = json.loads(options.json.read_text())
    assert "onnxruntime" in stored["networks"]["espcn"]["subpixel"]["skipped"]["onnx"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "luma, 11x9 to 33x27, batch 1" in printed
    assert "onnx is not measured (running an ONNX model needs" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0}, "height and width must be at least 1; got 0 and 640"),
        ({"networks": ()}, "networks and upsamplers must each name at least one"),
        ({"rounds": 0}, "rounds must be at least 1; got 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        inference.Options(**options)
