"""The report page: it stands alone, says what the numbers say, and trusts no name."""

import base64
import copy
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel.sr.comparison.result import Comparison
from subpixel.sr.report import text as findings
from subpixel.sr.report.drawings import draw_charts
from subpixel.sr.report.images import ReportImage
from subpixel.sr.report.page import write_report

NAMES = ("subpixel", "conv_transpose", "zero_insert")
STEP_MS = {"subpixel": 25.12, "conv_transpose": 31.44, "zero_insert": 77.87}
HOSTILE = "<script>alert(\"x\")</script>' onload='y"
VOID = {"meta", "img", "br", "input", "link", "hr"}


def read(comparison: dict) -> Comparison:
    return Comparison.from_json(comparison, "comparison.json")


def finding(comparison: dict) -> str:
    return findings.finding(read(comparison))


def over_bicubic(comparison: dict) -> str:
    return findings.over_bicubic(read(comparison))


def upsampler(name: str) -> dict:
    step = STEP_MS[name]
    return {
        "psnr": {"Set5": 32.412, "Set14": 29.009},
        "ssim": {"Set5": 0.90314, "Set14": 0.80562},
        "train_step_ms": step,
        "forward_ms": step / 3,
        "gradient_ms": step * 0.9,
        "compile_s": 1.234,
        "gflop_useful": 1.1,
        "gflop_executed": 4.3 if name == "zero_insert" else 1.1,
        "temp_mib": 5.13,
        "parameters": 22729,
        "quartiles": {"train_step_ms": [step * 0.99, step * 1.01]},
    }


@pytest.fixture
def comparison() -> dict:
    return {
        "name": "espcn_x3",
        "scale": 3,
        "upsamplers": {name: upsampler(name) for name in NAMES},
        "bicubic": {"psnr": {"Set5": 30.391, "Set14": 27.55}, "ssim": {"Set5": 0.868}},
        "psnr_spread_db": {"Set5": 0.0031, "Set14": 0.0004},
        "protocol": {"description": "PSNR on BT.601 luma.", "shave": 3},
        "settings": {"batch": 16, "seed": 20240101, "features": [64, 32]},
        "environment": {"jax": "0.10.2", "float64": False},
    }


@pytest.fixture
def history() -> list[dict]:
    return [
        {
            "step": step,
            "upsampler": name,
            "seconds": step * STEP_MS[name] / 1000,
            "validation_psnr": 30 - math.exp(-step / 500),
        }
        for name in NAMES
        for step in range(0, 3000, 500)
    ]


@pytest.fixture
def kernel() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9, 9, 10, 1))


def image(benchmark: str = "Set5", name: str = "butterfly", size=(24, 30)) -> ReportImage:
    rng = np.random.default_rng(1)
    labels = ("bicubic", *NAMES, "original")
    views = {label: rng.integers(0, 256, (*size, 3), np.uint8) for label in labels}
    return ReportImage(benchmark, name, views, {"bicubic": 24.038, **dict.fromkeys(NAMES, 25.5)})


class Page(HTMLParser):
    """A parsed page: elements with their attributes, visible text, and whether tags are closed."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def render(tmp_path: Path, comparison, history, kernel):
    """Writes a report, with what is given in place of the usual, and parses it."""

    def write(**changes) -> Page:
        path = tmp_path / "report.html"
        usual = {
            "comparison": comparison,
            "history": history,
            "images": [image()],
            "kernel": kernel,
        }
        given = usual | changes
        write_report(path, **{**given, "comparison": read(given["comparison"])})
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_page_loads_nothing(render):
    page = render()
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:image/")), (tag, target)
        assert "url(http" not in (attributes.get("style") or "")
    policies = [meta for meta in page.all("meta") if "http-equiv" in meta]
    assert policies[0]["content"].startswith("default-src 'none'")


def test_page_is_the_same_every_time(render, tmp_path):
    render()
    first = (tmp_path / "report.html").read_bytes()
    render()
    assert (tmp_path / "report.html").read_bytes() == first


def test_ids_are_unique(render):
    ids = [attributes["id"] for _, attributes in render().elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_page_has_every_number(render):
    text = render().text
    for number in (
        "32.41 0.9031 29.01 0.8056 25.1 1.00\u00d7 24.9\u201325.4",  # scores, and the fastest
        "31.4 1.25\u00d7 31.1\u201331.8",
        "77.9 3.10\u00d7 77.1\u201378.6",
        "26.0 3.10\u00d7 1.23 1.00\u00d7 1.10 4.30 3.91\u00d7 useful 5.13 22,729",
        "bicubic 30.39 0.8680 27.55 \u2013",
        "spread 0.003 <0.001",
        "butterfly Set5, 30 \u00d7 24 pixels",
        "bicubic 24.04 dB",
        "zero_insert 25.50 dB",
        "after 2,500 steps in 1 min 3 s",
        "PSNR on BT.601 luma.",
        "seed 20240101",
        "features 64, 32",
        "float64 no",
        "jax 0.10.2",
    ):
        assert number in text, number


def test_order_of_the_page(render):
    text = render().text
    headings = ["Results", "Training", "Images", "The last layer", "Protocol, settings"]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)


def test_images_are_embedded_without_loss(render):
    given = image()
    sources = [image["src"] for image in render(images=[given]).all("img")]
    assert len(sources) == 5
    for source, view in zip(sources, given.views.values(), strict=True):
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), view)


def test_large_images_are_jpeg_and_the_caption_says_so(render):
    page = render(images=[image(size=(8, 1001))])
    assert all(image["src"].startswith("data:image/jpeg;") for image in page.all("img"))
    assert "shown as JPEG of quality 95" in page.text


def test_names_are_escaped(render, comparison, history):
    hostile = copy.deepcopy(comparison)
    hostile["name"] = HOSTILE
    for entry in (*hostile["upsamplers"].values(), hostile["bicubic"]):
        entry["psnr"] = {HOSTILE: 30.0}
    hostile["upsamplers"][HOSTILE] = hostile["upsamplers"].pop("zero_insert")
    hostile["psnr_spread_db"] = {HOSTILE: 0.5}
    for part in ("protocol", "settings", "environment"):
        hostile[part] = {HOSTILE: HOSTILE, "description": HOSTILE}
    usual = render()
    page = render(
        comparison=hostile,
        history=[{**record, "upsampler": HOSTILE} for record in history],
        images=[image(HOSTILE, HOSTILE)],
    )
    assert len(page.all("script")) == len(usual.all("script")) == 1
    assert not any("onload" in attributes for _, attributes in page.elements)
    assert page.text.count(HOSTILE) >= 10


def test_finding_when_the_psnrs_agree(comparison):
    assert finding(comparison) == (
        "Same function, same PSNR (spread 0.003 dB), subpixel trains 3.1\u00d7 faster than "
        "zero_insert and 1.3\u00d7 faster than conv_transpose."
    )
    assert over_bicubic(comparison) == (
        "Against bicubic: +2.02 dB on Set5, +1.46 dB on Set14, counting the lowest of the "
        "upsamplers."
    )


@pytest.mark.parametrize("spread", [0.0342, math.inf])
def test_finding_when_they_do_not(render, comparison, spread):
    comparison["psnr_spread_db"]["Set14"] = spread
    page = render()
    written = "0.034" if spread < 1 else "\u221e"
    assert f"Not the same PSNR: the upsamplers differ by {written} dB on Set14" in page.text
    assert "ame function, same" not in page.text
    assert sum(attributes.get("class") == "alarm" for attributes in page.all("td")) == 1


def test_finding_at_a_spread_that_rounding_alone_can_make(render, comparison):
    comparison["psnr_spread_db"]["Set14"] = 0.0123
    page = render()
    assert "Same function, same PSNR (spread 0.012 dB)" in page.text
    assert "one function stays within 0.02 dB" in page.text
    assert all(attributes.get("class") != "alarm" for attributes in page.all("td"))


@pytest.mark.parametrize("spreads", [{}, {"Set5": 0.001}, {"Set5": 0.001, "Set14": math.nan}])
def test_finding_when_a_spread_is_not_known(comparison, spreads):
    comparison["psnr_spread_db"] = spreads
    where = ", ".join(name for name in ("Set5", "Set14") if not spreads.get(name, math.nan) < 1)
    assert finding(comparison).startswith(f"How far the PSNRs lie apart is not known on {where};")


def test_finding_a_large_spread_beside_nan(comparison):
    comparison["psnr_spread_db"] = {"Set5": math.nan, "Set14": 0.5}
    assert finding(comparison).startswith("Not the same PSNR")


def test_finding_when_the_times_cannot_be_told_apart(comparison):
    for name in NAMES[1:]:
        comparison["upsamplers"][name]["quartiles"]["train_step_ms"] = [20, 90]
    assert finding(comparison) == (
        "Same function, same PSNR (spread 0.003 dB), and no measurable difference in the time of "
        "a training step."
    )


def test_finding_names_the_fastest_wherever_it_stands(comparison):
    comparison["upsamplers"]["conv_transpose"].update(train_step_ms=5.0, quartiles={})
    assert "conv_transpose trains 15.6\u00d7 faster than zero_insert" in finding(comparison)


def test_finding_admits_a_loss_against_bicubic(comparison):
    comparison["bicubic"]["psnr"] = {"Set5": 33.0}
    assert over_bicubic(comparison).startswith("Against bicubic: \u22120.59 dB on Set5,")


def test_one_upsampler_is_compared_with_nothing(render, comparison, history):
    comparison["upsamplers"] = {"subpixel": upsampler("subpixel")}
    alone = [record for record in history if record["upsampler"] == "subpixel"]
    text = render(history=alone).text
    assert "One upsampler was trained, subpixel, at a scale of 3: 32.41 dB on Set5" in text
    for claim in ("faster", "same PSNR", "spread", "1.00\u00d7", "coincide"):
        assert claim not in text, claim


@pytest.mark.parametrize("names", [("subpixel",), NAMES[:2], NAMES])
def test_missing_keys_become_dashes(render, names):
    page = render(
        comparison={"scale": 3, "upsamplers": {name: {} for name in names}},
        history=[],
        images=[],
    )
    assert page.text.count("\u2013") == 8 * len(names)
    assert "No validation was recorded" in page.text
    assert "No images were given" in page.text


def test_nothing_but_a_kernel(render):
    assert "No upsampler was measured" in render(comparison={}, history=[], images=[]).text


def test_infinite_and_undefined_psnr(render, comparison):
    comparison["upsamplers"]["subpixel"]["psnr"] = {"Set5": math.inf, "Set14": math.nan}
    given = image()
    given.psnr.update(bicubic=math.inf, subpixel=math.nan)
    text = render(images=[given]).text
    assert "subpixel \u221e 0.9031 NaN 0.8056" in text
    assert "bicubic \u221e dB" in text
    assert "subpixel NaN" in text


def test_history_without_finite_numbers_is_left_out(history):
    broken = [
        {**history[0], "validation_psnr": math.nan},
        {**history[1], "validation_psnr": None},
        {"upsampler": "subpixel", "step": 7},
    ]
    assert draw_charts(broken, NAMES) is None
    charts = draw_charts([*broken, *history[2:]], NAMES)
    assert charts is not None
    assert [curve.name for curve in charts.curves] == list(NAMES)
    assert charts.curves[0].steps == (1000, 1500, 2000, 2500)
    assert len({curve.style for curve in charts.curves}) == 3
