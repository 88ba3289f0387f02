"""What `upscale` says and does where JAX is not installed."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.models.released import load_released
from subpixel.sr.photo.arrays import upscale

pytest.importorskip("onnxruntime")

COFFEE = data.coffee()[100:160, 200:290]
# Stands before the command, and refuses what such a person does not have.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jax", "jaxlib", "flax", "orbax", "grain", "optax"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
COMMAND = "from subpixel.__main__ import script; script()"


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", BLOCKER + COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("without_jax")
    Image.fromarray(COFFEE).save(folder / "in.png")
    export_network(load_released("espcn_x3"), folder / "model.onnx", Choices())
    return folder


def test_bicubic_enlarges(folder):
    done = run(folder, "upscale", "in.png", "-o", "bicubic.png", "--model=bicubic", "--scale=2.5")
    assert done.returncode == 0, done.stderr
    result = np.asarray(Image.open(folder / "bicubic.png"))
    np.testing.assert_array_equal(result, upscale(COFFEE, "bicubic", scale=2.5))


def test_an_exported_file_gives_what_jax_gives(folder):
    options = ["--model=model.onnx", "--engine=onnxruntime"]
    done = run(folder, "upscale", "in.png", "-o", "exported.png", *options)
    assert done.returncode == 0, done.stderr
    expected = upscale(COFFEE, "espcn_x3", scale=3)
    difference = np.asarray(Image.open(folder / "exported.png")).astype(int) - expected
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "espcn needs the package"),
        (["--model=model.onnx", "--engine=jax"], "model.onnx is run by ONNX Runtime: leave out"),
        (["--engine=onnxruntime", "--model=no.onnx"], "no.onnx is no file: name one that"),
        (
            ["--engine=onnxruntime", "--model=model.onnx", "--activation=relu"],
            "model.onnx has its activations in its graph: leave out --activation",
        ),
    ],
)
def test_what_needs_jax_is_named_in_one_line(options, message, folder):
    done = run(folder, "upscale", "in.png", "-o", "refused.png", *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert not (folder / "refused.png").exists()
