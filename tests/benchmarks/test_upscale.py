"""The table of what the routes to a size cost."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from files import COFFEE
from upscale import main, measure_route, routes_to

from subpixel.image import imresize, psnr, rgb_to_luma
from subpixel.sr.data.images import ImageSource
from subpixel.sr.data.pairs import Pair
from subpixel.sr.models.released import read_release


def test_bicubic_has_the_psnr_of_imresize():
    (bicubic, *_) = routes_to(3, "bicubic")
    source = Pair("coffee", ImageSource("coffee", lambda: COFFEE))
    cost = measure_route(bicubic, [source], 3)
    hr = COFFEE[:, :78]
    back = imresize(imresize(hr, 1 / 3), 3)
    expected = psnr(rgb_to_luma(back), rgb_to_luma(hr), shave=3)
    # imresize rounds to 8 bits after each pass, this once.
    assert cost.psnr == pytest.approx(float(expected), abs=0.02)
    assert cost.seconds > 0


def test_the_routes_to_a_size_are_direct_shrunk_and_in_two_steps():
    assert [route.name for route in routes_to(16, "bicubic")][:2] == ["bicubic", "x16"]
    assert "x3, shrunk" in [route.name for route in routes_to(2, "bicubic")]
    assert "x2, then x3" in [route.name for route in routes_to(6, "bicubic")]


def test_the_command_prints_a_table(capsys, monkeypatch):
    words = ["--benchmarks", "embedded:test", "--scales", "16", "--model=bicubic"]
    monkeypatch.setattr(sys, "argv", ["upscale.py", *words])
    assert main() == 0
    printed = capsys.readouterr().out
    assert "to x16: bicubic" in printed
    assert np.char.count(printed, "to x16") >= 2


def test_the_page_has_the_scores_of_the_released_models():
    page = (Path(__file__).parents[2] / "docs/enlarge.md").read_text()
    rows = re.findall(r"^\| x([234]) \| [^|]+ \| [^|]+ \| ([\d./ ]+) \| x", page, re.MULTILINE)
    expected = []
    for scale in (2, 3, 4):
        scores = read_release(f"espcn_x{scale}").scores
        psnr = " / ".join(f"{scores[name].psnr:.2f}" for name in ("Set5", "Set14"))
        expected.append((str(scale), psnr))
    assert rows == expected
