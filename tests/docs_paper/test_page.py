"""docs/paper in headless Chromium shows the library's numbers, and works by keyboard."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import subpixel
from subpixel import kernels

PAGE = Path(__file__).parents[2] / "docs/paper/index.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LAYOUTS = ("zero_insert", "conv_transpose", "subpixel")
SIGNAL = (2, 1, -3, 4, 0, 5)
PATIENCE_MS = 180_000
WIDTHS = pytest.mark.parametrize("page", [1280, 360], ids=["desktop", "phone"], indirect=True)


def slow(*cases: tuple[int, int]) -> list[Any]:
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        except api.Error as error:
            pytest.skip(f"no Chromium starts: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, 1280 pixels wide or as wide as the test asks for."""
    page = browser.new_page(viewport={"width": getattr(request, "param", 1280), "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    failures: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: message.type == "error" and failures.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(PAGE.as_uri())
    page.wait_for_selector("html[data-ready]")
    yield page
    page.close()
    assert failures == []
    folder = PAGE.parent.as_uri()
    assert [url for url in requests if not url.startswith((folder, "data:"))] == []


def upsample(image: np.ndarray, kernel: np.ndarray, scales: tuple[int, int]) -> np.ndarray:
    x = jnp.asarray(image, jnp.float32)[None, ..., None]
    weight = jnp.asarray(kernel, jnp.float32)[..., None, None]
    small = kernels.convert(weight, scales, "zero_insert", "subpixel")
    return np.asarray(subpixel.subpixel_conv(x, small, scales))[0, ..., 0]


def number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def sums(page: Any, figure: str) -> list[float]:
    """Returns the value of the chosen pixel by each layout."""
    return [number(page.inner_text(f"#{figure}-sum-{layout} .value")) for layout in LAYOUTS]


def choose(page: Any, scale: int, taps: int) -> None:
    page.select_option("#scale", str(scale))
    page.select_option("#taps", str(taps))


def kernel_for(scale: int, taps: int) -> np.ndarray:
    return np.random.default_rng(10 * scale + taps).integers(-5, 6, taps * scale)


def written(numbers: Any) -> str:
    return " ".join(map(str, np.asarray(numbers).tolist()))


@pytest.mark.parametrize(("scale", "taps"), [(2, 4), (3, 3), (4, 1), *slow((2, 1), (3, 2), (4, 4))])
def test_signal_has_the_numbers_of_the_library(page: Any, scale: int, taps: int):
    kernel = kernel_for(scale, taps)
    choose(page, scale, taps)
    page.fill("#signal", written(SIGNAL))
    page.fill("#kernel", written(kernel))
    expected = upsample(np.array([SIGNAL]), kernel[None], (1, scale))[0]
    page.focus("#line-output [aria-checked=true]")
    page.keyboard.press("Home")
    for index, value in enumerate(expected):
        assert page.get_attribute(":focus", "data-index") == str(index)
        assert number(page.inner_text(":focus")) == value
        assert sums(page, "line") == [value] * 3
        total, zeros = re.findall(r"\d+", page.inner_text("#line-sum-zero_insert .count"))[:2]
        assert (int(total), int(zeros)) == (taps * scale, taps * (scale - 1))
        crossed = page.locator("#line-zero_insert tr:first-child td.zero").count()
        assert crossed == taps * (scale - 1)
        column = page.locator("#line-conv_transpose tbody td.chosen").all_inner_texts()
        assert number(column[-1]) == value
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute(":focus", "data-index") == "0"


@pytest.mark.parametrize(("scale", "taps"), [(3, 3), *slow((2, 2), (4, 4))])
@pytest.mark.parametrize("kind", ["nearest", "outer"])
def test_image_has_the_numbers_of_the_library(page: Any, scale: int, taps: int, kind: str):
    choose(page, scale, taps)
    line = kernel_for(scale, taps)
    page.fill("#kernel", written(line))
    page.select_option("#kind", kind)
    image = np.array(page.evaluate("IMAGE"))
    if kind == "nearest":
        expected = image.repeat(scale, 0).repeat(scale, 1)
    else:
        expected = upsample(image, np.outer(line, line), (scale, scale))
    place = [0, 0]
    page.focus("#plane-output")
    for _ in range(len(expected)):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
    for key in ["ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight"] * 3:
        place[key == "ArrowRight"] += 1
        page.keyboard.press(key)
        y, x = place
        assert page.inner_text("#plane-status").startswith(f"Row {y}, column {x} = ")
        assert sums(page, "plane") == [expected[y, x]] * 3
    total, zeros = re.findall(r"\d+", page.inner_text("#plane-sum-zero_insert .count"))[:2]
    assert (int(total), int(zeros)) == ((taps * scale) ** 2, taps**2 * (scale**2 - 1))
    assert page.locator("#plane-zero_insert .cross").count() == taps**2 * (scale**2 - 1)
    counts = page.locator("#work [data-count]").all_inner_texts()
    expected_counts = [image.size * (taps * scale) ** 2 * ratio for ratio in (scale**2, 1, 1)]
    assert [int(count.replace(",", "")) for count in counts] == expected_counts


@WIDTHS
def test_drag_chooses_the_pixel_under_the_pointer(page: Any):
    choose(page, 3, 2)
    page.locator("#plane-output").scroll_into_view_if_needed()
    box = page.locator("#plane-output").bounding_box()

    def point(y: int, x: int) -> tuple[float, float]:
        return tuple(
            box[start] + box[length] * (place + 0.5 + 0.15) / 18.3
            for place, start, length in ((x, "x", "width"), (y, "y", "height"))
        )

    page.mouse.move(*point(2, 3))
    page.mouse.down()
    assert page.inner_text("#plane-status").startswith("Row 2, column 3 =")
    page.mouse.move(*point(17, 0))
    page.mouse.up()
    assert page.inner_text("#plane-status").startswith("Row 17, column 0 =")
    page.mouse.move(*point(5, 5))
    assert page.inner_text("#plane-status").startswith("Row 17, column 0 =")

    page.locator("#line-output").scroll_into_view_if_needed()
    first, last = (
        page.locator(f"#line-output [data-index='{index}']").bounding_box() for index in (0, 5)
    )
    page.mouse.move(first["x"] + 5, first["y"] + 5)
    page.mouse.down()
    page.mouse.move(last["x"] + 5, last["y"] + 5, steps=5)
    page.mouse.up()
    assert page.get_attribute("#line-output [aria-checked=true]", "data-index") == "5"


@pytest.mark.parametrize(
    ("field", "content", "message"),
    [
        ("kernel", "1 2 3", "The kernel must have k·r = 6 numbers; it has 3."),
        ("kernel", "1 2 3 4 5 x", "The kernel must be numbers with spaces between them."),
        ("signal", "", "The signal must have 1 to 8 numbers; it has 0."),
        ("signal", "1 2 1e400", "The signal must be numbers with spaces between them."),
    ],
)
def test_says_what_does_not_fit_and_keeps_the_last_numbers(
    page: Any, field: str, content: str, message: str
):
    choose(page, 3, 2)
    before = page.inner_text("#line-output")
    page.fill(f"#{field}", content)
    assert page.inner_text("#problem") == message
    assert page.get_attribute(f"#{field}", "aria-invalid") == "true"
    assert page.inner_text("#line-output") == before
    page.click("#nearest")
    page.fill("#signal", "3, \N{MINUS SIGN}1.5; 2")
    assert page.inner_text("#problem") == ""
    shown = page.locator("#line-output button").all_inner_texts()
    assert list(map(number, shown)) == [3, 3, 3, -1.5, -1.5, -1.5, 2, 2, 2]


@WIDTHS
def test_each_control_is_reached_by_tab_and_has_a_name_and_a_visible_focus(page: Any):
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        # The browser leaves the page after its last control.
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.append(
            page.evaluate(
                """() => {
                    const { id, dataset, labels, innerText, ariaLabel } = document.activeElement;
                    const style = getComputedStyle(document.activeElement);
                    const name = ariaLabel || labels?.[0]?.innerText || innerText;
                    return [id || dataset.index, name.trim() !== "", style.outlineStyle];
                }"""
            )
        )
    wanted = ["scale", "taps", "signal", "kernel", "count", "nearest", "7", "kind", "plane-output"]
    assert [name for name, *_ in reached if name in wanted] == wanted
    assert all(named for _, named, _ in reached)
    assert {style for *_, style in reached} == {"solid"}


@WIDTHS
@pytest.mark.parametrize(("scale", "taps"), [(2, 1), (3, 2), (4, 4)])
def test_nothing_is_wider_than_the_window(page: Any, scale: int, taps: int):
    choose(page, scale, taps)
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Any, scheme: str):
    page.emulate_media(color_scheme=scheme)
    choose(page, 4, 1)
    ratios = page.evaluate(
        """() => {
            const channels = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
            const luminance = (color) => {
                const [r, g, b] = channels(color).map((c) => c / 255).map(
                    (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ratio = (element, back) => {
                const { color, backgroundColor } = getComputedStyle(element);
                const [low, high] = [color, back ?? backgroundColor].map(luminance)
                    .sort((a, b) => a - b);
                return (high + 0.05) / (low + 0.05);
            };
            const fields = document.querySelectorAll("#line-output button, input, body");
            const card = getComputedStyle(document.querySelector(".panel")).backgroundColor;
            return [...[...fields].map((field) => ratio(field)),
                ...[...document.querySelectorAll(".panel .where, .panel .count")].map(
                    (field) => ratio(field, card))];
        }"""
    )
    assert len(ratios) > 20
    assert min(ratios) >= 4.5  # WCAG 2.2, 1.4.3
