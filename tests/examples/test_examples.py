"""Every example runs, with small sizes, and prints what its docstring says."""

import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from subpixel.image import imresize, modcrop, psnr, rgb_to_luma

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MAX_LINES = 79
# The arguments, the example's small sizes.
SCRIPTS = {
    "espcn_from_scratch": ["3"],
    "gan_swap": ["2", "1"],
    "unet_equinox": ["2", "3"],
    "vocoder_linen": ["32", "1"],
}


@functools.cache
def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def source(name: str) -> str:
    return (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SCRIPTS)
    assert [path.name for path in EXAMPLES.glob("*.ipynb")] == ["enlarge.ipynb"]


def without_numbers(line: str) -> str:
    return re.sub(r"-?\d[\d.e+-]*", "#", " ".join(line.split()))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_prints_the_lines_of_its_docstring(name: str):
    doc = ast.get_docstring(ast.parse(source(name))) or ""
    assert len(source(name).splitlines()) <= MAX_LINES
    shown = [line for line in doc.splitlines() if line.startswith("    ")]
    assert shown[0].startswith(f"    python examples/{name}.py")
    assert len(shown) > 1
    printed = set(map(without_numbers, run(name, *SCRIPTS[name]).splitlines()))
    assert set(map(without_numbers, shown[1:])) <= printed


def value(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, (pattern, text)
    return float(found[1])


@pytest.mark.slow
def test_layers_give_the_same_results():
    assert value(r"difference of the images: (\S+)", run("gan_swap", "2", "1")) < 1e-5
    assert value(r"largest difference (\S+)", run("vocoder_linen", "32", "1")) < 1e-5
    unet = run("unet_equinox", "2", "3")
    losses = [value(rf"{name} +loss (\S+),", unet) for name in ("equinox", "subpixel")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_espcn_of_the_example_learns():
    printed = run("espcn_from_scratch", "200")
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", printed)]
    assert losses[-1] < losses[0]
    bicubic, espcn = (value(rf"{name} +(\S+) dB", printed) for name in ("bicubic", "espcn"))
    assert bicubic == pytest.approx(28.41, abs=0.01)
    hr = modcrop(rgb_to_luma(data.coffee().astype(np.float32)), 3)
    nearest = imresize(hr, 1 / 3).repeat(3, 0).repeat(3, 1)
    # The network starts as a correction of nearest neighbour.
    assert espcn > psnr(nearest, hr, shave=3)


def test_cells_of_the_notebook_run_and_the_network_wins():
    notebook = json.loads((EXAMPLES / "enlarge.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, Any] = {}
    results = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), cell["id"], "exec"), names)
            if isinstance(last, ast.Expr):
                results.append(eval(compile(ast.Expression(last.value), cell["id"], "eval"), names))
    small, large, scores, shape = results
    assert small == (100, 150, 3)
    assert large.size == (450, 300)
    assert large._repr_png_().startswith(b"\x89PNG")
    assert scores["espcn_x3"] > scores["bicubic"] + 0.5
    assert shape == (1, 300, 450, 1)
