"""Scores against known answers; targets; eval.py as a user calls it."""

import json
import math

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

import eval as eval_command
import train as train_command
from subpixel.image import rgb_to_luma
from subpixel.kernels import LAYOUTS
from subpixel.sr._support.errors import InputError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import evaluate
from subpixel.sr.evaluation.table import read_scores
from subpixel.sr.find import find_model
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler
from subpixel.sr.models.weights import save_weights

# Bicubic, PSNR of luma on Set5; low resolution with MATLAB's older border.
NAMES = ("baby", "bird", "butterfly", "head", "woman")
KNOWN_PSNR = {
    2: (37.0263, 36.773, 27.4298, 34.8375, 32.1354),
    3: (33.8998, 32.5718, 24.038, 32.8622, 28.5604),
    4: (31.7711, 30.1751, 22.0992, 31.5785, 26.4645),
}
KNOWN_SSIM = {2: 0.92922, 3: 0.86779, 4: 0.81008}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_on_set5_is_what_everybody_measures(data_root, scale):
    images = find_pairs("Set5", data_root)
    for border, tolerance in (("symmetric", 0.02), ("replicate", 1e-4)):
        protocol = Protocol(scale, degradation=Degradation(border=border))
        scores = evaluate({"bicubic": BicubicUpscaler(scale, border)}, images, protocol)["bicubic"]
        for name, expected in zip(NAMES, KNOWN_PSNR[scale], strict=True):
            assert scores.psnr[name] == pytest.approx(expected, abs=tolerance)
    assert scores.mean_ssim == pytest.approx(KNOWN_SSIM[scale], abs=1e-5)


def test_eval_writes_the_json_that_others_read(data_root, tmp_path, monkeypatch, capsys):
    path = tmp_path / "deep" / "scores.json"
    call_eval(
        monkeypatch, "bicubic", "--scale=3", f"--json={path}", f"--data-root={data_root}",
        "--benchmarks", "Set5", "embedded:test",
    )  # fmt: skip
    values = json.loads(path.read_text())
    assert values["results"]["Set5"]["psnr"] == pytest.approx(30.39, abs=0.01)
    assert set(values["results"]["Set5"]["images"]) == set(NAMES)
    assert values["results"]["Set5"]["images"]["baby"]["psnr"] == pytest.approx(33.9, abs=0.02)
    assert values["protocol"]["shave"] == 3
    printed = capsys.readouterr().out
    assert "MATLAB's imresize" in printed
    assert "30.39 / 0.8678" in printed


def test_a_perfect_image_is_null_in_json_and_infinity_again_when_read(tmp_path, monkeypatch):
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (48, 48), (90, 120, 30)).save(tmp_path / "flat" / "plain.png")
    path = tmp_path / "scores.json"
    call_eval(
        monkeypatch, "bicubic", "--scale=3", f"--json={path}",
        "--benchmarks", f"folder:{tmp_path / 'flat'}",
    )  # fmt: skip
    flat = json.loads(path.read_text(), parse_constant=pytest.fail)["results"]["flat"]
    assert flat["psnr"] is None
    assert flat["images"]["plain"] == {"psnr": None, "ssim": pytest.approx(1)}
    (row,) = read_scores(path).values()
    assert row["flat"].psnr == {"plain": math.inf}
    assert row["flat"].mean_psnr == math.inf


def call_eval(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["eval.py", *arguments])
    assert eval_command.main() == 0


def call_train(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    return train_command.main()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a small network of two channels of features, by upsampler."""
    folder = tmp_path_factory.mktemp("weights")
    config = ESPCNConfig(scale=2, features=(4, 3))
    for name in LAYOUTS:
        params = nnx.to_pure_dict(nnx.state(config.build(name, seed=0)))
        save_weights(folder / f"{name}.safetensors", params, config, name)
    return folder


def test_a_luma_network_sees_luma_and_its_rounded_output_is_measured(weights):
    rng = np.random.default_rng(0)
    lr = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)
    outputs = []
    for name in LAYOUTS:
        target = find_model(str(weights / f"{name}.safetensors"), 2)
        network, about = target.upscaler(), target.to_json()
        assert about["upsampler"] == name
        model = ESPCNConfig(scale=2, features=(4, 3)).build(name, seed=0)
        luma = rgb_to_luma(lr)[None] / np.float32(255)
        exact = np.asarray(model(luma), np.float64)[0] * 255
        outputs.append(network.luma(lr).astype(int))
        assert abs(outputs[-1] - exact.clip(0, 255)).max() <= 0.501
        assert network.rgb(lr).shape == (24, 28, 3)
    assert abs(outputs[0] - outputs[1]).max() <= 1


def test_a_network_of_colour_is_measured_on_its_luma():
    config = ESPCNConfig(scale=2, channels=3, features=(4, 3))
    graph, params = nnx.split(config.build("subpixel", seed=0))
    network = NetworkUpscaler(graph, nnx.to_pure_dict(params))
    lr = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    np.testing.assert_array_equal(network.luma(lr), rgb_to_luma(network.rgb(lr)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: "nowhere", "there is no model 'nowhere'"),
        (lambda folder: folder, "config.json cannot be read"),
        (lambda folder: write(folder / "a", b"not weights"), "not a weights file"),
        (lambda folder: cut(folder), "not a weights file"),
    ],
)
def test_a_target_that_cannot_be_used_is_explained(weights, tmp_path, make, message):
    (tmp_path / "good").write_bytes((weights / "subpixel.safetensors").read_bytes())
    with pytest.raises(InputError, match=message):
        find_model(str(make(tmp_path)), 2)


def write(path, content):
    path.write_bytes(content)
    return path


def cut(folder):
    return write(folder / "cut", (folder / "good").read_bytes()[:-40])


def test_a_image_too_small_to_measure_is_named(tmp_path):
    Image.fromarray(np.zeros((12, 40, 3), np.uint8)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png cannot be measured: SSIM needs at least 11"):
        evaluate({"b": BicubicUpscaler(2)}, find_pairs(str(tmp_path), None), Protocol(2))


def test_an_experiment_writes_scores_weights_and_a_page(tmp_path, monkeypatch, capsys):
    """From images to page on small ones, then eval.py on the workdir gives the same scores."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", 3), ("test set", 2)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.png")
    workdir = tmp_path / "run"
    arguments = [
        f"--workdir={workdir}", f"--data-root={tmp_path}", "--data.train", "train",
        "--data.benchmarks", "test set", "--steps=6", "--optimizer.warmup-steps=2",
        "--model.features", "4", "3", "--model.scale=2", "--log-every=3", "--validate-every=3",
        # SOAP enlarges the rounding in which the upsamplers differ.
        "--optimizer.name=adam", "--model.input-scale=1.6",
    ]  # fmt: skip
    assert call_train(monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith(f"page: {workdir / 'report.html'}")
    comparison = json.loads((workdir / "comparison.json").read_text())
    # JAX's own transposed convolution, and this package's with the same kernel beside it.
    subpixel, native, *others = LAYOUTS
    assert list(comparison["upsamplers"]) == [subpixel, native, "conv_transpose, auto", *others]
    for entry in comparison["upsamplers"].values():
        for figure in ("train_step_ms", "forward_ms", "gradient_ms", "compile_s", "gflop_useful",
                       "gflop_executed", "temp_mib"):  # fmt: skip
            assert entry[figure] > 0
    assert comparison["psnr_spread_db"]["test set"] < 0.01
    assert comparison["environment"]["jax"] == jax.__version__
    page = (workdir / "report.html").read_text()
    assert "conv_transpose" in page

    scores = tmp_path / "scores.json"
    for name in LAYOUTS:
        call_eval(
            monkeypatch, str(workdir), "--scale=2", f"--data-root={tmp_path}",
            f"--json={scores}", f"--upsampler={name}", "--benchmarks", "test set",
        )  # fmt: skip
        values = json.loads(scores.read_text())
        assert values["model"]["upsampler"] == name
        expected = comparison["upsamplers"][name]["psnr"]["test set"]
        assert values["results"]["test set"]["psnr"] == expected

    # Without the weights, which an unfinished run does not have, the checkpoint serves.
    for path in (workdir / "weights").iterdir():
        path.unlink()
    target = find_model(str(workdir), 2, upsampler="conv_transpose")
    network, about = target.upscaler(), target.to_json()
    assert about["step"] == 6
    result = evaluate({"m": network}, find_pairs("test set", tmp_path), Protocol(2))["m"]
    assert result.mean_psnr == comparison["upsamplers"]["conv_transpose"]["psnr"]["test set"]


def test_all_images_that_cannot_be_read_are_named_at_once(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abcd":
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[:1000])
    (tmp_path / "c.png").write_bytes(whole[:900] + bytes(100) + whole[1000:])
    with pytest.raises(InputError, match=r"b\.png.*; .*c\.png") as refused:
        evaluate({"b": BicubicUpscaler(2)}, find_pairs(str(tmp_path), None), Protocol(2))
    assert "a.png" not in str(refused.value)
    for index in range(12):
        (tmp_path / f"e{index:02d}.png").write_bytes(whole[:1000])
    with pytest.raises(InputError, match=r"e07\.png.*; and 4 more$"):
        evaluate({"b": BicubicUpscaler(2)}, find_pairs(str(tmp_path), None), Protocol(2))
