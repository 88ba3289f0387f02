"""The benchmark of inference: contenders compute one function, and the numbers fit together."""

import json

import inference
import numpy as np
import pytest
from race import Program

from subpixel.kernels import LAYOUTS
from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, PlainConfig

SMALL = {
    "espcn": ESPCNConfig(scale=3, features=(4, 3), kernel_sizes=(5, 3, 3)),
    "fsrcnn": FSRCNNConfig(scale=3, features=5, shrunk_features=3, mapping_layers=1),
    "plain": PlainConfig(scale=3, depth=3, width=4),
}


@pytest.fixture(scope="module")
def results():
    """All networks and upsamplers; an image that needs several tiles a side."""
    size = {"height": 19, "width": 37}
    return inference.measure(**size, rounds=2, torch=False, onnx=False, configs=SMALL)


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_tiles_and_both_kinds_of_convolution_agree_and_are_timed(results, network, upsampler):
    entry = results["networks"][network][upsampler]
    contenders, differences = entry["contenders"], entry["max_difference"]
    assert set(contenders) == {inference.WHOLE, inference.EIGEN, inference.TILES} - set(
        entry["skipped"]
    )
    assert set(differences) == set(contenders)
    assert differences[inference.WHOLE] == 0
    assert max(differences.values()) < 1e-5
    for measured in contenders.values():
        low, high = measured["quartiles_ms"]
        assert 0 < low <= measured["median_ms"] <= high
        assert measured["frames_per_second"] == pytest.approx(1e3 / measured["median_ms"])
        pixels = 9 * 19 * 37 / 1e6
        assert measured["megapixels_per_second"] == pytest.approx(
            pixels * measured["frames_per_second"]
        )
        assert measured["cpu_ms"] >= 0


def test_the_result_states_what_was_measured(results):
    assert results["environment"]["threads"] >= 1
    assert results["environment"]["load_average"] >= 0
    assert (results["height"], results["width"], results["rounds"]) == (19, 37, 2)


def test_onnx_runtime_computes_the_same():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    size = {"height": 9, "width": 11}
    measured = inference.measure(**size, rounds=1, torch=False, configs=SMALL)
    assert measured["environment"]["onnxruntime"]
    for by_upsampler in measured["networks"].values():
        for entry in by_upsampler.values():
            assert 0 < entry["max_difference"][inference.ONNX] < 1e-5
            assert entry["contenders"][inference.ONNX]["median_ms"] > 0


def test_pytorch_computes_the_same_with_the_same_weights():
    pytest.importorskip("torch")
    options = {"rounds": 1, "onnx": False, "torch_compile": False, "configs": SMALL}
    measured = inference.measure(height=9, width=11, **options)
    assert measured["environment"]["torch"]
    for by_upsampler in measured["networks"].values():
        assert 0 < by_upsampler["subpixel"]["max_difference"]["torch, channels last"] < 1e-5
        assert by_upsampler["conv_transpose"]["contenders"]["torch, channels last"]["median_ms"] > 0
        assert "no layer that inserts zeros" in by_upsampler["zero_insert"]["skipped"]["torch"]


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
    monkeypatch.setattr(inference, "CONFIGS", {"espcn": lambda scale: SMALL["espcn"]})
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


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="height and width must be at least 1; got 0 and 640"):
        inference.Options(height=0)
    with pytest.raises(InputError, match="networks and upsamplers must each name at least one"):
        inference.Options(networks=())
    with pytest.raises(InputError, match="rounds must be at least 1; got 0"):
        inference.Options(rounds=0)
