"""The benchmark measures, reports and refuses; how fast anything is, no test asserts."""

import functools
import json
import signal
import subprocess

import jax
import numpy as np
import pytest
import report
import training
from conv_transpose import Options, compile_program, measure_geometries, run
from jax import lax
from race import torch_process

from subpixel.ops import conv_transpose
from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.geometries import GEOMETRIES, Geometry
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, PlainConfig


def test_table_and_chart(tmp_path, capsys):
    options = Options(
        only=("ESPCN x3 head",),
        rounds=2,
        torch=False,
        json=tmp_path / "scores.json",
        chart=tmp_path / "chart.svg",
    )
    assert run(options) == 0
    results = json.loads(options.json.read_text())
    programs = results["geometries"]["ESPCN x3 head"]
    assert set(programs) == {"forward", "gradients", "layer"}
    assert results["cotangent"] == "dependent"
    for times in programs.values():
        assert set(times) == {"native", "subpixel"}
        for library in times.values():
            low, high = library["quartiles_ms"]
            assert 0 < low <= library["median_ms"] <= high
    assert results["environment"]["backend"] == "cpu"
    assert options.chart.stat().st_size > 1000
    assert "times as fast as native JAX" in capsys.readouterr().out


SMALL = {
    "espcn": functools.partial(ESPCNConfig, features=(4, 3)),
    "plain": functools.partial(PlainConfig, width=4, depth=2),
}


def test_pytorch_answers_from_a_process_of_its_own():
    pytest.importorskip("torch")
    results = measure_geometries(Options(only=("V-Net",), rounds=1))
    times = results["geometries"]["V-Net"]["gradients"]
    assert report.best_torch(times)["median_ms"] > 0
    assert "torch" in report.ratios(results, "gradients")["V-Net"]
    assert results["environment"]["torch"]


def test_an_interrupt_ends_pytorchs_process(monkeypatch):
    pytest.importorskip("torch")
    started = []

    def start(*args, **kwargs):
        started.append(real(*args, **kwargs))
        return started[0]

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt), torch_process(wanted=True):
        raise KeyboardInterrupt
    assert started[0].wait(10) == -signal.SIGKILL


def test_pytorch_takes_the_training_step_too():
    pytest.importorskip("torch")
    data = DataConfig(patch_size=9, batch_size=2)
    with torch_process(wanted=True) as ask:
        for small in SMALL.values():
            experiment = Experiment(
                name="small", upsamplers=("subpixel",), model=small(), data=data
            )
            assert ask(training._torch_request(experiment, compiled=False))["torch"]
            assert min(ask({"run": "step", "repeat": 2}).values()) > 0


def test_the_training_step_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "WORKLOADS", (training.Workload(2, 9),))
    monkeypatch.setattr(training, "INPUT_BATCHES", 3)
    monkeypatch.setattr(training, "CONFIGS", SMALL)
    options = training.Options(
        networks=("espcn", "plain"), rounds=2, torch=False, json=tmp_path / "scores.json"
    )
    assert training.run(options) == 0
    batches = json.loads(options.json.read_text())["batches"]
    assert list(batches) == ["2 x 9x9", "plain, 2 x 9x9"]
    measured = batches["2 x 9x9"]
    assert list(measured["step"]) == ["subpixel", "subpixel, SOAP"]
    for times in measured["step"].values():
        low, high = times["quartiles_ms"]
        assert 0 < low <= times["median_ms"] <= high
    delivered, ratio = measured["input"].values()
    assert ratio == pytest.approx(delivered * measured["step"]["subpixel"]["median_ms"] / 2e3)
    assert "2 x 9x9" in capsys.readouterr().out


def test_the_shapes_of_the_geometries_fit():
    for geometry in GEOMETRIES:
        operands = (jax.ShapeDtypeStruct(of, "float32") for of in (geometry.x, geometry.kernel))
        function = functools.partial(conv_transpose, strides=geometry.strides, padding="SAME")
        assert jax.eval_shape(function, *operands).shape == geometry.y


def test_the_programs_compute_gradients_of_a_loss_of_the_output():
    geometry = Geometry("small", (2, 3, 4, 3), (4, 4), 2, 2)
    rng = np.random.default_rng(0)
    shapes = (geometry.x, geometry.kernel, (2,))
    x, w, bias = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    y, pullback = jax.vjp(lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"), x, w)
    z = np.maximum(y + bias, 0)
    for program, out, cotangent in (("gradients", y, 2 * y), ("layer", z, 2 * z)):
        actual = compile_program(geometry, conv_transpose, program).run()
        expected = [out, *pullback(cotangent)]
        if program == "layer":
            expected.append((2 * z).sum((0, 1, 2)))
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_bad_options_are_refused():
    with pytest.raises(
        InputError, match=r"unknown geometries \['ESPCN'\]: the names are \['ESPCN x3"
    ):
        run(Options(only=("ESPCN",)))
    with pytest.raises(InputError, match="rounds must be at least 1; got 0"):
        run(Options(rounds=0))
    with pytest.raises(InputError, match="rounds must be at least 1; got 0"):
        training.run(training.Options(rounds=0))
