"""The ONNX graph computes what the network computes, in three layouts, and says what it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from loops import LAYOUTS

from subpixel.sr._support import packages
from subpixel.sr._support.errors import InputError
from subpixel.sr.export import check
from subpixel.sr.export.formats import Choices, export_network, onnx_bytes
from subpixel.sr.export.onnx_graph import build_onnx
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.models import SRCNNConfig
from subpixel.sr.models.operations import Upsampling

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NETWORKS = [
    {"channels": 1, "residual": True, "input_mean": 0.45, "input_scale": 1.6},
    {"channels": 3, "scale": 2, "residual": True, "bias": "shared", "activation": "prelu"},
    {
        "channels": 3,
        "scale": 4,
        "activation": "relu",
        "output_activation": "sigmoid",
        "dtype": "bfloat16",
    },
    {"channels": 1, "scale": 2, "bias": "shared", "kernel_sizes": (4, 2, 2)},
    {"kind": SRCNNConfig, "channels": 1, "input_mean": 0.45, "input_scale": 1.6},
    {"kind": SRCNNConfig, "channels": 3, "scale": 2, "input_scale": 0.25},
]


def image(channels, *sizes):
    return np.random.default_rng(8).random((*sizes, channels), np.float32)


def shapes_of(graph):
    return [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_graph_computes_its_network_at_every_size_or_at_one(make_model, network, layout):
    model = make_model("conv_transpose", **network)
    content = onnx_bytes(model, Choices(layout=layout))[0]
    one_size, difference = onnx_bytes(model, Choices(layout=layout, size=(6, 9)))
    exported, of_one_size = OnnxNetwork(content), OnnxNetwork(one_size)
    reference, r, channels = model.in_float32("subpixel"), exported.scale, exported.channels
    for sizes in [(1, 1, 1), (1, 6, 9), (2, 17, 4)]:
        x = image(channels, *sizes)
        y, expected = exported(x), check.run_network(reference, x)
        assert y.shape == (sizes[0], *(r * n for n in sizes[1:]), channels)
        np.testing.assert_allclose(y, expected, atol=2e-6)
        if sizes == (1, 6, 9):
            np.testing.assert_allclose(of_one_size(x), expected, atol=2e-6)
    assert difference < 2e-6
    fixed = onnx.load_from_string(one_size).graph
    assert shapes_of(fixed) == [[1, channels, 6, 9], [1, channels, 6 * r, 9 * r]]
    operators = {node.op_type for node in fixed.node}
    assert not operators & {"Shape", "Tile", "Concat"} or layout == "subpixel"
    for graph in (fixed, onnx.load_from_string(content).graph):
        sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
        assert len(convolutions) >= 3
        for node in convolutions:
            (stated,) = [a.ints for a in node.attribute if a.name == "kernel_shape"]
            assert list(stated) == sizes[node.input[1]][2:]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_opencv_computes_a_file_of_one_size(make_model, network, layout):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    if layout == "conv_transpose" and network.get("kernel_sizes", (3,))[-1] % 2 == 0:
        pytest.skip("OpenCV 4.10 has no transposed convolution with unequal padding")
    content, _ = onnx_bytes(make_model(**network), Choices(layout=layout, size=(12, 10)))
    exported = OnnxNetwork(content)
    x = image(exported.channels, 1, 12, 10)
    read = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    read.setInput(np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(np.moveaxis(read.forward(), 1, -1), exported(x), atol=2e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_uint8_is_rounded_and_clipped_as_the_upscaler_does(make_model, layout):
    model = make_model(channels=3, scale=2, residual=True)
    content, _ = onnx_bytes(model, Choices(layout=layout, uint8=True))
    x = np.random.default_rng(8).integers(0, 256, (1, 9, 8, 3), np.uint8)
    y = check.run_network(model.in_float32("subpixel"), x / np.float32(255)) * 255
    assert y.min() < 0 < 255 < y.max()
    near_half = abs(y % 1 - 0.5) < 1e-3
    expected = np.floor(np.clip(y, 0, 255) + 0.5).astype(np.uint8)
    found = OnnxNetwork(content)(x)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[~near_half], expected[~near_half])


@pytest.mark.parametrize(
    ("layout", "nodes"),
    [
        ("subpixel", "Sub Conv Tanh Conv Tanh Conv Add DepthToSpace"),
        ("conv_transpose", "Sub Conv Tanh Conv Tanh ConvTranspose Resize Add"),
        ("zero_insert", "Sub Conv Tanh Conv Tanh ConvTranspose Conv Resize Add"),
    ],
)
def test_the_graph_is_clean(make_model, layout, nodes):
    model = make_model(residual=True, bias="shared", input_mean=0.5, input_scale=2.0)
    content, _ = onnx_bytes(model, Choices(layout=layout))
    assert [node.op_type for node in onnx.load_from_string(content).graph.node] == nodes.split()


def test_sizes_are_free_and_metadata_is_stated(make_model, tmp_path):
    path = tmp_path / "m.onnx"
    told = export_network(make_model(scale=2), path, Choices(opset=18))
    model = onnx.load(path)
    assert "opset 18" in told
    assert model.opset_import[0].version == 18
    assert model.producer_name == "subpixel"
    free = [["batch", 1, "height", "width"], ["batch", 1, "2*height", "2*width"]]
    assert shapes_of(model.graph) == free
    network = OnnxNetwork(path)
    stated = [network.metadata[k] for k in ("name", "license", "training_data", "layout")]
    assert stated == ["small", "Apache-2.0", "none", "subpixel"]
    assert (network.scale, network.channels, network.radius) == (2, 1, 3)
    assert json.loads(network.metadata["model"])["features"] == [5, 4]


def test_older_and_newer_operators_and_none_that_is_unknown(make_model):
    model = make_model(channels=3, residual=True)
    for opset in (15, 21):
        assert onnx_bytes(model, Choices(layout="conv_transpose", opset=opset))[1] < 2e-6
    with pytest.raises(InputError, match=r"opset must be from 15 to \d+.*got 14"):
        onnx_bytes(model, Choices(opset=14))


def test_a_wrong_graph_leaves_no_file(make_model, tmp_path, monkeypatch):
    model = make_model()
    right = model.in_float32("subpixel").operations()
    wrong = [replace(right[0], bias=right[0].bias + 0.01), *right[1:]]
    monkeypatch.setattr(type(model.in_float32("subpixel")), "operations", lambda self: wrong)
    with pytest.raises(RuntimeError, match=r"differs from the network by .*no file is written"):
        export_network(model, tmp_path / "m.onnx", Choices())
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_one_line_says_what_to_install(make_model, tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(packages.importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"needs the package onnx.*pip install 'subpixel\[export"):
        export_network(make_model(), tmp_path / "m.onnx", Choices())


def test_only_our_models_run(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"m\.onnx cannot be run by ONNX Runtime"):
        OnnxNetwork(path)
    kernel, bias = np.ones((1, 1, 1, 4), np.float32), np.zeros(4, np.float32)
    model = build_onnx([Upsampling(2, kernel, bias)], scale=2, channels=1)
    with pytest.raises(InputError, match="does not state scale, channels and radius"):
        OnnxNetwork(model.SerializeToString())
