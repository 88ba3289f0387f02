"""Tiles: the result of the whole image, in few sizes; self-ensemble; tables and files."""

import csv
import json

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

import eval as eval_command
from subpixel.image import imresize, to_uint8
from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.evaluation.images import BRIGHTEST
from subpixel.sr.inference.tiling import TILE_LENGTHS, tiles
from subpixel.sr.inference.upscaler import NetworkUpscaler, forward
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.photo.arrays import upscale


def make_network(upsampler="subpixel", **choices):
    config = ESPCNConfig(features=(4, 3), **choices)
    graph, params = nnx.split(config.build(upsampler, seed=0))
    rng = np.random.default_rng(0)
    # Biases that are not zero: a border of zeros is then not what a layer makes of zeros.
    drawn = jax.tree.map(
        lambda p: p + rng.normal(0, 0.1, p.shape).astype(np.float32), nnx.to_pure_dict(params)
    )
    return NetworkUpscaler(graph, drawn), config


@pytest.mark.parametrize("radius", [0, 1, 4, 7, 20])
def test_tiles_cover_an_axis_once_and_see_enough_of_it(radius):
    smallest = next(length for length in TILE_LENGTHS if length > 2 * radius)
    for size in [*range(1, 700), 5472]:
        covered = 0
        for tile in tiles(size, radius):
            assert 0 <= tile.start <= tile.first < tile.last <= tile.stop <= size
            assert tile.first == covered
            covered = tile.last
            # An edge that is not the image's is too far away to be seen.
            assert tile.start == 0 or tile.first - tile.start >= radius
            assert tile.stop == size or tile.stop - tile.last >= radius
            assert size < smallest or tile.stop - tile.start in TILE_LENGTHS
        assert covered == size


@pytest.mark.parametrize(
    ("upsampler", "choices"),
    [
        ("subpixel", {"scale": 3, "channels": 3, "output_activation": "sigmoid"}),
        ("conv_transpose", {"scale": 2, "kernel_sizes": (4, 3, 2), "residual": True}),
        ("zero_insert", {"scale": 2, "kernel_sizes": (3, 1, 3), "input_mean": 0.5}),
    ],
)
def test_an_image_in_tiles_is_the_image_at_once(upsampler, choices):
    network, _ = make_network(upsampler, **choices)
    rng = np.random.default_rng(1)
    lr = rng.integers(0, 256, (75, 150, network.channels), dtype=np.uint8)
    assert len(list(tiles(75, 4))) > 1
    whole = np.asarray(forward(network.graph, network.params, lr[None] / np.float32(255)))[0] * 255
    if network.channels == 3:
        np.testing.assert_array_equal(network.rgb(lr), to_uint8(whole))
    else:
        np.testing.assert_allclose(network.luma_unrounded(lr), whole, rtol=0, atol=1e-4)
        colour = rng.integers(0, 256, (75, 150, 3), dtype=np.uint8)
        parts = [network.rgb(colour[:, :16]), network.rgb(colour)]
        np.testing.assert_array_equal(parts[0][:, :16], parts[1][:, :16])


def test_self_ensemble_is_the_mean_over_flips_and_rotations():
    network, _ = make_network(scale=2, kernel_sizes=(3, 1, 3))
    lr = np.random.default_rng(1).uniform(0, 255, (13, 10, 1))
    outputs = []
    for quarters in range(4):
        outputs.append(np.rot90(network.luma_unrounded(np.rot90(lr, quarters)), -quarters))
        mirrored = np.rot90(lr[:, ::-1], quarters)
        outputs.append(np.rot90(network.luma_unrounded(mirrored), -quarters)[:, ::-1])
    both = NetworkUpscaler(network.graph, network.params, self_ensemble=True)
    np.testing.assert_allclose(both.luma_unrounded(lr), np.mean(outputs, axis=0), rtol=0, atol=1e-3)
    assert abs(outputs[0] - outputs[1]).max() > 1


def test_an_output_that_is_not_finite_is_refused():
    network, _ = make_network(scale=2)
    broken = NetworkUpscaler(network.graph, jax.tree.map(lambda p: p * np.nan, network.params))
    with pytest.raises(NonFiniteError, match="output is not finite"):
        broken.luma(np.zeros((9, 9, 3), np.uint8))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of weights and two folders of images."""
    root = tmp_path_factory.mktemp("files")
    network, config = make_network(scale=2)
    save_weights(root / "w.safetensors", network.params, config, "subpixel")
    rng = np.random.default_rng(0)
    for folder, names in (("set a", ("dull", "ä b")), ("other", ("grey",))):
        (root / folder).mkdir()
        for contrast, name in enumerate(names):
            pixels = (rng.integers(0, 256, (34, 41, 3)) * (0.1 + contrast)).clip(0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            image.convert("L" if name == "grey" else "RGB").save(root / folder / f"{name}.png")
    return root


def evaluate(monkeypatch, files, *arguments):
    monkeypatch.setattr(
        "sys.argv", ["eval.py", *arguments, "--scale=2", "--benchmarks", "set a", "other",
                     f"--data-root={files}"],
    )  # fmt: skip
    return eval_command.main()


def test_everything_that_eval_leaves(monkeypatch, files, tmp_path, capsys):
    images, maps, table = tmp_path / "images", tmp_path / "maps", tmp_path / "f.csv"
    assert evaluate(
        monkeypatch, files, str(files / "w.safetensors"), "--self-ensemble", "--worst=1",
        f"--json={tmp_path / 'n.json'}", f"--csv={table}", f"--save-images={images}",
        f"--error-maps={maps}", "--channel=rgb",
    ) == 0  # fmt: skip
    values = json.loads((tmp_path / "n.json").read_text())
    assert values["protocol"]["self_ensemble"] is False
    assert values["self_ensemble"]["protocol"]["self_ensemble"] is True
    scores, ensemble = (v["results"]["set a"] for v in (values, values["self_ensemble"]))
    assert scores["psnr"] != ensemble["psnr"]

    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert len(lines) == 6
    assert [line["image"] for line in lines[:3]] == ["dull", "ä b", "grey"]
    assert float(lines[1]["psnr"]) == scores["images"]["ä b"]["psnr"]
    assert {line["channel"] for line in lines} == {"rgb"}

    # The saved images are those of `upscale`; scores and maps round as their protocol does.
    original = np.asarray(Image.open(files / "set a" / "ä b.png"), np.float64)[:, :40]
    lr = imresize(original.astype(np.uint8), 0.5)
    network = load_weights(files / "w.safetensors")
    for suffix, expected in (("", scores), ("_self_ensemble", ensemble)):
        saved = np.asarray(Image.open(images / "set a" / f"ä b{suffix}.png"))
        upscaler = network.upscaler(self_ensemble=bool(suffix))
        np.testing.assert_array_equal(saved, upscaler.image(lr))
        measured = upscaler.rgb(lr).astype(np.float64)
        error = np.square(measured - original)[2:-2, 2:-2].mean()
        assert 10 * np.log10(255**2 / error) == pytest.approx(expected["images"]["ä b"]["psnr"])
        brightness = np.asarray(Image.open(maps / "set a" / f"ä b{suffix}.png"), int).sum(axis=2)
        wrong = abs(measured - original).mean(axis=2)
        assert brightness[wrong >= BRIGHTEST].min() == brightness.max()
        assert brightness[wrong == wrong.min()].max() < brightness[wrong >= BRIGHTEST].min()
        if not suffix:
            same = upscale(lr, str(files / "w.safetensors"), engine="jax")
            np.testing.assert_array_equal(saved, same)

    printed = capsys.readouterr().out
    assert "eight flips and rotations" in printed
    worst = printed[printed.index("worst") :]
    assert worst.index("ä b") < worst.index("grey")
    assert "dull" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--self-ensemble"], "self_ensemble is for networks"),
        (["--lr-from=files"], "has no LR image for x2"),
        (["--shave=12"], "SSIM needs at least 11"),
    ],
)
def test_what_eval_cannot_do_is_explained(monkeypatch, files, arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate(monkeypatch, files, "bicubic", *arguments)
