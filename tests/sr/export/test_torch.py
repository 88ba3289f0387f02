"""PyTorch checkpoints: written without PyTorch, loaded by it, and read back to the same numbers."""

import jax
import numpy as np
import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.export import check
from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.export.torch_writer import torch_bytes
from subpixel.sr.find import find_model
from subpixel.sr.models import SRCNNConfig

LAYOUTS = ["subpixel", "conv_transpose"]
NETWORKS = [
    {"channels": 1, "residual": True, "input_mean": 0.45, "input_scale": 1.6},
    {"channels": 3, "scale": 2, "residual": True, "bias": "shared", "activation": "prelu"},
    {"channels": 3, "scale": 4, "activation": "relu", "output_activation": "sigmoid"},
    {"channels": 1, "scale": 2, "residual": True, "output_activation": "sigmoid"},
    {"kind": SRCNNConfig, "channels": 1, "input_mean": 0.45, "input_scale": 1.6},
    {"kind": SRCNNConfig, "channels": 3, "scale": 2},
]


def rand(*shape):
    return np.random.default_rng(5).random(shape, np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_printed_module_computes_the_network(make_model, tmp_path, network, layout):
    model, path = make_model(layout, **network), tmp_path / "m.pth"
    told = export_network(model, path, Choices(layout=layout))
    with pytest.raises(InputError, match=r"m\.pth was exported for PyTorch and is not read back"):
        find_model(str(path), model.config.scale)
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    code = told.partition("\n\n")[2].replace("m.pth", str(path))
    names = {}
    exec("import torch\n" + code, names)
    module = names["model"]
    assert isinstance(module, torch.nn.Sequential)
    x = rand(2, 6, 9, network["channels"])
    with torch.no_grad():
        y = module(torch.from_numpy(x.transpose(0, 3, 1, 2)))
    expected = check.run_network(model.in_float32("subpixel"), x)
    np.testing.assert_allclose(y.numpy().transpose(0, 2, 3, 1), expected, rtol=1e-6, atol=1e-5)


def test_torch_reads_what_is_written_as_weights_only(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensors = {"a.weight": rand(2, 3, 5), "b": rand(4), "scalar": rand(), "größe": rand(1, 1)}
    path = tmp_path / "a.pth"
    path.write_bytes(torch_bytes(tensors))
    for options in ({}, {"mmap": True}):
        loaded = torch.load(path, weights_only=True, **options)
        assert list(loaded) == list(tensors)
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(loaded[name].numpy(), tensor)
    path.write_bytes(torch_bytes(tensors, {"license": "Apache-2.0"}))
    loaded = torch.load(path, weights_only=True)
    assert loaded["license"] == "Apache-2.0"
    assert list(loaded["params"]) == list(tensors)
    assert torch_bytes(tensors) == torch_bytes(tensors)


def test_what_the_writer_refuses():
    with pytest.raises(ValueError, match="must be float32; a are not"):
        torch_bytes({"a": np.zeros(2)})


def test_what_pytorch_has_no_layer_for(make_model):
    with pytest.raises(InputError, match="no layer that inserts zeros"):
        torch_module(make_model().in_float32("subpixel").operations(), "zero_insert")
    even = make_model(kernel_sizes=(4, 1, 3)).in_float32("subpixel").operations()
    with pytest.raises(InputError, match="4x4 taps has no symmetric padding"):
        torch_module(even, "subpixel")
    even = make_model(kernel_sizes=(5, 1, 2)).in_float32("subpixel").operations()
    with pytest.raises(InputError, match="6 taps with stride 3 is not aligned"):
        torch_module(even, "conv_transpose")


def test_the_scale_of_a_bare_checkpoint_follows_from_its_last_layer(make_model, tmp_path):
    model, path = make_model(channels=3, scale=4), tmp_path / "m.pth"
    state, _ = torch_module(model.in_float32("subpixel").operations(), "subpixel")
    path.write_bytes(torch_bytes(state))
    trained = find_model(str(path))
    assert (trained.config.scale, trained.config.channels) == (4, 3)
    jax.tree.map(np.testing.assert_array_equal, trained.params, model.params)
