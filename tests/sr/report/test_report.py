"""The report page: it stands alone, says what the numbers say, and trusts no name."""

import base64
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel.sr.comparison.result import Comparison, Conversion, ModelScores, UpsamplerResult
from subpixel.sr.report.drawings import draw_charts, line_styles
from subpixel.sr.report.images import ReportImage, encode
from subpixel.sr.report.page import write_report
from subpixel.sr.report.text import conversion_sentence, finding, over_bicubic

NAMES = ("subpixel", "conv_transpose", "zero_insert")
STEP_MS = {"subpixel": 25.12, "conv_transpose": 31.44, "zero_insert": 77.87}
HOSTILE = "<script>alert(\"x\")</script>' onload='y"
VOID = {"meta", "img", "br", "input", "link", "hr"}


def upsampler(name: str, **changes) -> UpsamplerResult:
    step = STEP_MS[name]
    usual = UpsamplerResult(
        psnr={"Set5": 32.412, "Set14": 29.009},
        ssim={"Set5": 0.90314, "Set14": 0.80562},
        train_step_ms=step,
        forward_ms=step / 3,
        gradient_ms=step * 0.9,
        compile_s=1.234,
        gflop_useful=1.1,
        gflop_executed=4.3 if name == "zero_insert" else 1.1,
        temp_mib=5.13,
        parameters=22729,
        quartiles={"train_step_ms": (step * 0.99, step * 1.01)},
        conversion=Conversion("Set5", 2e-6, 3e-7),
    )
    return replace(usual, **changes)


def compared(names=NAMES, *, spread=None, **changes) -> Comparison:
    usual = Comparison(
        name="espcn_x3",
        scale=3,
        upsamplers={name: upsampler(name) for name in names},
        bicubic=ModelScores({"Set5": 30.391, "Set14": 27.55}, {"Set5": 0.868, "Set14": 0.774}),
        psnr_spread_db={"Set5": 0.0031, "Set14": 0.0004 if spread is None else spread},
        protocol={"description": "PSNR on BT.601 luma.", "shave": 3},
        settings={"batch": 16, "seed": 20240101, "features": [64, 32]},
        environment={"jax": "0.10.2", "float64": False},
    )
    return replace(usual, **changes)


HISTORY = [
    {
        "step": step,
        "upsampler": name,
        "seconds": step * STEP_MS[name] / 1000,
        "validation_psnr": 30 - math.exp(-step / 500),
    }
    for name in NAMES
    for step in range(0, 3000, 500)
]


def views(size=(24, 30)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = ("bicubic", *NAMES, "original")
    return {label: rng.integers(0, 256, (*size, 3), np.uint8) for label in labels}


def image(benchmark="Set5", name="butterfly", size=(24, 30), **psnr) -> ReportImage:
    usual = {"bicubic": 24.038, **dict.fromkeys(NAMES, 25.5)}
    return encode(benchmark, name, views(size), usual | psnr)


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


def alarms(page: Page) -> int:
    return sum(attributes.get("class") == "alarm" for attributes in page.all("td"))


@pytest.fixture
def render(tmp_path: Path):
    """Writes a report, with what is given in place of the usual, and parses it."""

    def write(comparison=None, history=HISTORY, images=None) -> Page:
        path = tmp_path / "report.html"
        shown = [image()] if images is None else images
        write_report(path, comparison or compared(), history, shown)
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_the_page_stands_alone_and_is_the_same_every_time(render, tmp_path):
    page = render()
    first = (tmp_path / "report.html").read_bytes()
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:image/")), (tag, target)
        assert "url(http" not in (attributes.get("style") or "")
    policies = [meta for meta in page.all("meta") if "http-equiv" in meta]
    assert policies[0]["content"].startswith("default-src 'none'")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    render()
    assert (tmp_path / "report.html").read_bytes() == first


def test_the_page_has_every_number(render):
    text = render().text
    for number in (
        # Scores, the conversion, and the times, of which this is the fastest.
        "32.41 0.9031 29.01 0.8056 2e-06 3e-07 25.1 1.00\u00d7 24.9\u201325.4",
        "31.4 1.25\u00d7 31.1\u201331.8",
        "77.9 3.10\u00d7 77.1\u201378.6",
        "26.0 3.10\u00d7 1.23 1.00\u00d7 1.10 4.30 3.91\u00d7 useful 5.13 22,729",
        "bicubic 30.39 0.8680 27.55 0.7740",
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
        "a trained network changes the PSNR of an image of Set5 by at most 2e-06 dB and a pixel by",
    ):
        assert number in text, number


def test_images_are_embedded_without_loss_or_said_to_be_jpeg(render):
    sources = [image["src"] for image in render().all("img")]
    for source, view in zip(sources, views().values(), strict=True):
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), view)
    page = render(images=[image(size=(8, 1001))])
    assert all(image["src"].startswith("data:image/jpeg;") for image in page.all("img"))
    assert "shown as JPEG of quality 95" in page.text


def test_images_open_where_bicubic_is_furthest_from_the_original():
    original = np.zeros((200, 300, 3), np.uint8)
    bicubic = original.copy()
    bicubic[100:148, 210:258] = 50
    assert encode("a", "b", {"bicubic": bicubic, "original": original}, {}).focus == (0.78, 0.62)


def test_names_are_escaped(render):
    scored = {"psnr": {HOSTILE: 30.0}, "ssim": {HOSTILE: 0.9}}
    names = ("subpixel", "conv_transpose")
    hostile = compared(
        name=HOSTILE,
        upsamplers={
            **{name: upsampler(name, **scored) for name in names},
            HOSTILE: upsampler("zero_insert", **scored),
        },
        bicubic=ModelScores(**scored),
        psnr_spread_db={HOSTILE: 0.5},
        **{
            part: {HOSTILE: HOSTILE, "description": HOSTILE}
            for part in ("protocol", "settings", "environment")
        },
    )
    history = [{**record, "upsampler": HOSTILE} for record in HISTORY]
    page = render(hostile, history, [image(HOSTILE, HOSTILE)])
    assert len(page.all("script")) == 1
    assert not any("onload" in attributes for _, attributes in page.elements)
    assert page.text.count(HOSTILE) >= 10


def timed(ms: float, *quartiles: float) -> Comparison:
    """A comparison in which "conv_transpose" takes another time."""
    times = {"train_step_ms": ms, "quartiles": {"train_step_ms": quartiles}}
    changed = {"conv_transpose": upsampler("conv_transpose", **times)}
    return compared(upsamplers={**compared().upsamplers, **changed})


SAME = "Same function, same PSNR (spread 0.003 dB), "


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        (
            compared(),
            f"{SAME}subpixel trains 3.1\u00d7 faster than zero_insert and 1.3\u00d7 faster than "
            "conv_transpose.",
        ),
        (
            compared(NAMES[:2], spread=0.0123),
            "Same function, same PSNR (spread 0.012 dB), subpixel trains 1.3\u00d7 faster than "
            "conv_transpose.",
        ),
        (timed(5.0, 4.9, 5.1), "conv_transpose trains 15.6\u00d7 faster than zero_insert"),
        (timed(31.44, 20.0, 90.0), "zero_insert, and as fast as conv_transpose."),
        (
            compared(upsamplers={name: upsampler("subpixel") for name in NAMES}),
            f"{SAME}and no measurable difference in the time of a training step.",
        ),
        (compared(spread=0.0342), "Not the same PSNR: the upsamplers differ by 0.034 dB on Set14"),
        (compared(spread=math.inf), "Not the same PSNR: the upsamplers differ by \u221e dB on Set"),
        (compared(psnr_spread_db={}), "No PSNR was measured; subpixel trains"),
    ],
)
def test_the_finding(comparison, sentence):
    assert sentence in finding(comparison)


def test_the_gain_over_bicubic():
    gains = "+2.02 dB on Set5, +1.46 dB on Set14"
    assert over_bicubic(compared()) == (
        f"Against bicubic: {gains}, counting the lowest of the upsamplers."
    )
    lost = compared(bicubic=ModelScores({"Set5": 33.0, "Set14": math.inf}))
    assert over_bicubic(lost).startswith("Against bicubic: \u22120.59 dB on Set5, counting")


def test_a_spread_or_conversion_beyond_rounding_is_an_alarm(render):
    assert alarms(render()) == alarms(render(compared(spread=0.0123))) == 0
    assert alarms(render(compared(spread=0.0342))) == 1
    for psnr_db, pixels in ((1e-3, 1e-7), (1e-6, 1e-4)):
        changed = upsampler("subpixel", conversion=Conversion("Set5", psnr_db, pixels))
        comparison = compared(upsamplers={**compared().upsamplers, "subpixel": changed})
        assert alarms(render(comparison)) == 1
        assert conversion_sentence(comparison).startswith("Not one function in every layout: ")
    assert conversion_sentence(compared()).startswith("One function in every layout: ")


def test_one_upsampler_is_compared_with_nothing(render):
    alone = [record for record in HISTORY if record["upsampler"] == "subpixel"]
    text = render(compared(("subpixel",)), alone).text
    assert "One upsampler was trained, subpixel, at a scale of 3: 32.41 dB on Set5" in text
    for claim in ("faster", "same PSNR", "spread", "1.00\u00d7", "coincide", "trainings differ"):
        assert claim not in text, claim


def test_what_is_not_known_is_a_dash_and_equal_images_are_infinite(render):
    unknown = upsampler(
        "subpixel", temp_mib=None, conversion=None, psnr={"Set5": math.inf, "Set14": 30.0}
    )
    comparison = compared(("subpixel",), upsamplers={"subpixel": unknown})
    page = render(comparison, [], [image(bicubic=math.inf)])
    assert "subpixel \u221e 0.9031 30.00 0.8056 \u2013 \u2013 25.1" in page.text
    assert "1.10 1.10 \u2013 22,729" in page.text
    assert "bicubic \u221e dB" in page.text
    assert "No validation was recorded" in page.text
    assert "No images were given" in render(comparison, [], []).text
    assert conversion_sentence(comparison) == ""


def test_curves_have_the_colours_of_their_rows():
    styles = line_styles(("subpixel", "conv_transpose", "conv_transpose, auto", "zero_insert"))
    curves = draw_charts(HISTORY, styles).curves
    assert [(curve.name, curve.style) for curve in curves] == [(n, styles[n]) for n in NAMES]
    assert curves[0].steps == (0, 500, 1000, 1500, 2000, 2500)
    assert len({curve.style for curve in curves}) == 3
