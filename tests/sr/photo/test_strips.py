"""Tiles and strips give what the whole image at once gives."""

import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from files import COFFEE, rgba
from flax import nnx
from PIL import Image

from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.inference import upscaler
from subpixel.sr.inference.colour import enlarge_tile
from subpixel.sr.models.espcn import ESPCNConfig
from subpixel.sr.models.weights import load_weights, save_weights
from subpixel.sr.photo import strips
from subpixel.sr.photo.arrays import upscale
from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.strips import Strips, enlarge, resize


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Returns files of random luma and RGB networks, by channels."""
    files = {}
    for channels in (1, 3):
        config = ESPCNConfig(scale=3, channels=channels, features=(6, 5), residual=True)
        _, state = nnx.split(config.build("subpixel", seed=3))
        files[channels] = tmp_path_factory.mktemp("weights") / f"{channels}.safetensors"
        save_weights(files[channels], nnx.to_pure_dict(state), config, "subpixel")
    return files


def image(height: int, width: int, channels: int) -> np.ndarray:
    values = np.random.default_rng(1).random((height, width, channels), np.float32)
    if channels in (2, 4):
        # Half transparent, in blobs, with hidden colours.
        values[..., -1] = np.kron(values[::8, ::8, -1] > 0.5, np.ones((8, 8)))[:height, :width]
    return values


def pieces(values: np.ndarray, step: int) -> Strips:
    rows = (values[i : i + step] for i in range(0, len(values), step))
    return Strips(*values.shape, rows)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("network", [1, 3])
def test_strips_of_tiles_equal_the_whole_image(channels, network, weights, monkeypatch):
    values = image(152, 184, channels)
    model = find_models(str(weights[network])).of_scale(3)
    expected = enlarge_tile(values, model.enlarge, model.radius)
    # As if the image were much wider: the lowest tiles.
    monkeypatch.setattr(strips, "STRIP_BYTES", 1)
    parts = list(enlarge(pieces(values, 7), model).rows)
    assert len(parts) > 1
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=2e-6)


def test_tiles_at_once_change_no_bit(weights):
    values = image(150, 170, 4)
    model = find_models(str(weights[1])).of_scale(3)
    one, three = (
        np.concatenate(list(enlarge(pieces(values, 50), replace(model, tiles_at_once=n)).rows))
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one, three)


def test_tiles_are_compiled_once_for_their_shape(weights):
    model = find_models(str(weights[1])).of_scale(3)
    before = upscaler.enlarge_image._cache_size()
    for height, width in ((64, 64), (70, 90), (100, 64), (128, 77)):
        for _ in enlarge(pieces(image(height, width, 3), 16), model).rows:
            pass
    # Sides of 16, 32, 64 and 128 pixels in any pair, and one network and number of channels.
    assert upscaler.enlarge_image._cache_size() - before <= 9


@pytest.mark.parametrize(("height", "width"), [(20, 31), (61, 80), (100, 7), (1, 1), (59, 79)])
def test_resize_by_strips_is_keys_cubic(height, width):
    values = COFFEE.astype(np.float32) / 255
    result = resize(pieces(values, 11), height, width)
    found = np.concatenate(list(result.rows))
    assert found.shape == (height, width, 3)
    # Pillow's kernel is the same, but not its border, whose pixels are left out.
    bands = (Image.fromarray(values[..., c].copy()) for c in range(3))
    expected = np.dstack([np.asarray(band.resize((width, height), 3)) for band in bands])
    rows, columns = (slice(side // 10 + 3, -side // 10 - 3) for side in (height, width))
    np.testing.assert_allclose(found[rows, columns], expected[rows, columns], atol=1e-5)


def test_no_fringe_of_a_hidden_colour(weights):
    values = rgba()
    hidden = values.copy()
    hidden[:20, :30, :3] = (0, 255, 0)
    for model in ("bicubic", str(weights[1])):
        first, second = upscale(values, model, scale=3), upscale(hidden, model, scale=3)
        visible = first[..., 3] > 0
        np.testing.assert_array_equal(first[..., 3], second[..., 3])
        np.testing.assert_array_equal(first[visible], second[visible])
        # What was opaque or transparent in a 3x3 neighbourhood stays so.
        assert (first[66:, 96:, 3] == 255).all()
        assert (first[:54, :84, 3] == 0).all()


def test_sixteen_bits_do_not_pass_through_eight():
    ramp = np.linspace(1000, 1300, 64 * 64).reshape(64, 64).astype(np.uint16)
    result = upscale(ramp, "bicubic", scale=2)
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 250


def test_a_network_that_is_not_finite_is_named(weights, tmp_path):
    config = ESPCNConfig(scale=3, features=(6, 5))
    _, state = nnx.split(config.build("subpixel", seed=0))
    huge = jax.tree.map(lambda leaf: leaf * 0 + 3e38, nnx.to_pure_dict(state))
    save_weights(tmp_path / "huge.safetensors", huge, config, "subpixel")
    with pytest.raises(NonFiniteError, match=r"huge\.safetensors is not finite"):
        upscale(COFFEE, str(tmp_path / "huge.safetensors"))


@pytest.mark.parametrize("channels", [1, 3])
def test_onnx_runtime_computes_what_jax_computes(channels, weights):
    pytest.importorskip("onnxruntime")
    values = COFFEE / np.float32(255)
    results = [
        upscale(values, str(weights[channels]), engine=engine) for engine in ("jax", "onnxruntime")
    ]
    np.testing.assert_allclose(*results, rtol=0, atol=1e-5)


@pytest.mark.parametrize("missing", [None, "onnx", "onnxruntime"])
def test_the_fastest_engine_that_is_installed_is_chosen(missing, weights, monkeypatch):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    models = find_models(str(weights[3]), "auto")
    assert models.engine == ("JAX" if missing else "ONNX Runtime")
    one, other = (
        upscale(COFFEE, str(weights[3]), engine=engine).astype(int) for engine in ("auto", "jax")
    )
    assert np.abs(one - other).max() <= 1


def test_an_exported_graph_is_kept(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path))
    first = find_models(str(weights[1]), "onnxruntime").of_scale(3)
    (kept,) = (tmp_path / "onnx").iterdir()
    written = kept.stat().st_mtime_ns
    second = find_models(str(weights[1]), "onnxruntime").of_scale(3)
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first.run(COFFEE / 255), second.run(COFFEE / 255))
    kept.write_bytes(b"damaged")
    third = find_models(str(weights[1]), "onnxruntime").of_scale(3)
    np.testing.assert_array_equal(first.run(COFFEE / 255), third.run(COFFEE / 255))


def test_an_exported_file_is_run(weights, tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    export_network(load_weights(weights[1]), path, Choices())
    result = upscale(COFFEE, str(path), engine="onnxruntime")
    difference = result.astype(int) - upscale(COFFEE, str(weights[1]))
    assert np.abs(difference).max() <= 1
    np.testing.assert_array_equal(upscale(COFFEE, str(path)), result)
    export_network(load_weights(weights[1]), tmp_path / "eight.onnx", Choices(uint8=True))
    with pytest.raises(InputError, match="rounds to 8 bits inside: export it without --uint8"):
        upscale(COFFEE, str(tmp_path / "eight.onnx"), engine="onnxruntime")
