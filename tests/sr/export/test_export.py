"""`python -m subpixel export`: formats, refusals, and files that are read back."""

import sys

import jax
import numpy as np
import pytest
from loops import LAYOUTS

from subpixel.__main__ import main
from subpixel.sr._support.errors import InputError
from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.export.torch_writer import torch_bytes
from subpixel.sr.find import find_model
from subpixel.sr.photo.engine import find_models


def export(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["subpixel", "export", *map(str, arguments)])
    return main()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_safetensors_in_every_layout(make_model, tmp_path, layout):
    model, path = make_model(channels=3), tmp_path / "m.safetensors"
    export_network(model, path, Choices(layout=layout))
    trained = find_model(str(path))
    assert (trained.config, trained.upsampler) == (model.config, layout)
    x = np.random.default_rng(0).random((1, 5, 6, 3), np.float32)
    found, expected = trained.build()(x), model.in_float32("subpixel")(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    back = tmp_path / "back.safetensors"
    export_network(make_model(channels=3), back, Choices())
    jax.tree.map(np.testing.assert_array_equal, find_model(str(back)).params, model.params)


def test_the_command_writes_a_file_and_replaces_it_only_when_told(
    make_model, tmp_path, monkeypatch, capsys
):
    weights, path = tmp_path / "w.safetensors", tmp_path / "m.safetensors"
    export_network(make_model(), weights, Choices())
    assert export(monkeypatch, weights, "-o", path, "--layout=zero_insert") == 0
    assert "zero_insert" in capsys.readouterr().out
    assert find_model(str(path)).upsampler == "zero_insert"
    with pytest.raises(InputError, match="exists: give another name, or --overwrite"):
        export(monkeypatch, weights, "-o", path)
    assert export(monkeypatch, weights, "-o", path, "--overwrite") == 0
    assert find_model(str(path)).upsampler == "subpixel"


def test_the_activations_of_a_bare_checkpoint_are_chosen(make_model, tmp_path, monkeypatch, capsys):
    model = make_model(channels=3, scale=2, activation="relu", output_activation="sigmoid")
    state, _ = torch_module(model.in_float32("subpixel").operations(), "subpixel")
    bare, path = tmp_path / "bare.pth", tmp_path / "m.safetensors"
    bare.write_bytes(torch_bytes(state))
    export(monkeypatch, bare, "-o", path, "--activation=relu", "--output-activation=sigmoid")
    assert find_model(str(path)).config == model.config
    expected = find_models(str(path))
    chosen = find_models(str(bare), activation="relu", output_activation="sigmoid")
    assert (expected.notes, chosen.notes) == ((), ())
    image = np.random.default_rng(1).random((9, 8, 3), np.float32)
    np.testing.assert_array_equal(chosen.of_scale(2).run(image), expected.of_scale(2).run(image))
    assert "assumed" in " ".join(find_models(str(bare)).notes)
    capsys.readouterr()
    export(monkeypatch, bare, "-o", tmp_path / "assumed.safetensors")
    assert "assumed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bicubic", "espcn", "espcn_x2"])
def test_activations_are_refused_where_they_are_known(name):
    with pytest.raises(InputError, match="output_activation is for PyTorch checkpoints"):
        find_models(name, output_activation="sigmoid")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.xyz"], "has no suffix of a format"),
        (["-o", "m.safetensors", "--uint8"], "--uint8 does not apply to a .safetensors file"),
        (["-o", "m.stablehlo", "--size=3x4"], "--size does not apply to a .stablehlo file: leave"),
        *(
            (["-o", "m.onnx", f"--size={text}"], f"--size must be WIDTHxHEIGHT .*; got '{text}'")
            for text in ("640", "0x3", "640X360", "-1x3", "640x360x3", "1e3x2")
        ),
        (["-o", "m.pth", "--upsampler=subpixel"], "is for workdirs of train.py, and w.safetensors"),
    ],
)
def test_what_the_command_refuses(make_model, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    export_network(make_model(), tmp_path / "w.safetensors", Choices())
    with pytest.raises(InputError, match=message):
        export(monkeypatch, "w.safetensors", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
