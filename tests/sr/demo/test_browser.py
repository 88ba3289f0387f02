"""The page in headless Chromium gives the image of `subpixel upscale`."""

import base64
import functools
import http.server
import io
import math
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from subpixel.sr._support.errors import InputError
from subpixel.sr.cli import upscale
from subpixel.sr.demo.build import build_demo
from subpixel.sr.demo.runtime import runtime_files
from subpixel.sr.find import find_model

MODEL = "espcn_x3"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Three minutes: WebAssembly is compiled on machines that other programs use.
PATIENCE_MS = 180_000


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    kept = request.config.cache.mkdir("onnxruntime-web")
    try:
        contents = runtime_files(kept)
    except InputError:
        try:
            contents = runtime_files()
        except InputError as error:
            pytest.skip(f"there is no ONNX Runtime Web: {error}")
        for name, content in contents.items():
            (kept / name).write_bytes(content)
    folder = tmp_path_factory.mktemp("demo")
    build_demo([find_model(MODEL)], folder, kept)
    return folder


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder, and yields its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def address(demo: Path) -> Iterator[str]:
    with served(demo) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
            )
        except api.Error as error:
            pytest.skip(f"no Chromium starts: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    failures: list[str] = []
    foreign: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: message.type == "error" and failures.append(message.text))
    page.on("request", lambda r: r.url.startswith(("http", "ws")) and foreign.append(r.url))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    page.close()
    assert failures == []
    assert [url for url in foreign if not url.startswith(address)] == []


def drop(page: Any, path: Path) -> None:
    """Drops a file onto the page, as a hand does."""
    transfer = page.evaluate_handle(
        """([name, type, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
            return transfer;
        }""",
        [path.name, f"image/{path.suffix[1:]}", list(path.read_bytes())],
    )
    page.dispatch_event("#stage", "drop", {"dataTransfer": transfer})


def saved(page: Any) -> bytes:
    with page.expect_download() as download:
        page.click("#save")
    return Path(download.value.path()).read_bytes()


CAT = data.chelsea()[40:260, 60:367]


def save(path: Path) -> None:
    """Saves the image of a name."""
    images = {"cat": CAT, "grey": data.camera()[100:260, 150:301], "line": CAT[:1, :40]}
    image = Image.fromarray(images.get(path.stem, data.astronaut()[:201, :300]))
    exif = Image.Exif()
    exif[0x0112] = 6 if path.stem == "turned" else 1
    image.save(path, exif=exif, quality=92, subsampling=0)


@pytest.mark.parametrize("name", ["cat.png", "grey.png", "line.png", "turned.jpeg"])
def test_gives_the_pixels_of_the_command(page: Any, tmp_path: Path, name: str):
    path, result = tmp_path / name, tmp_path / "result.png"
    save(path)
    assert upscale.run(upscale.Options((path,), result, model=MODEL)) == 0
    expected = np.asarray(Image.open(result))

    drop(page, path)
    image = Image.open(io.BytesIO(saved(page)))
    found = np.asarray(image)

    if expected.ndim == 2:  # the command keeps grey, the page has RGB
        expected = expected[..., None].repeat(3, axis=2)
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected.astype(int))
    print(f"{name}: at most {difference.max()} levels, {(difference > 0).mean():.1e} of the values")
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    assert image.mode == "RGB"


def test_shows_bicubic_beside_the_network(page: Any, tmp_path: Path):
    path = tmp_path / "cat.png"
    save(path)
    shown = {}
    drop(page, path)
    for model, part in (("bicubic", 1.0), (MODEL, 0.0)):
        page.evaluate(
            "part => { slider.value = part; slider.dispatchEvent(new Event('input')) }", 100 * part
        )
        page.wait_for_selector("#stage[data-pending=false]")
        # The browser has drawn when the second frame begins.
        page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        shown[model] = canvas_pixels(page)
    for model, pixels in shown.items():
        result = tmp_path / f"{model}.png"
        assert upscale.run(upscale.Options((path,), result, model=model, scale=3)) == 0
        expected = np.asarray(Image.open(result)).astype(int)
        found = pixels[..., :3].astype(int)
        # The middle of the enlarged image lies in the middle of the canvas, halves rounded up.
        top, left = (
            math.floor((canvas - image) / 2 + 0.5)
            for canvas, image in zip(found.shape[:2], expected.shape[:2], strict=True)
        )
        rows, columns = slice(max(top, 0), None), slice(max(left, 0), left + expected.shape[1])
        found = found[rows, columns]
        expected = expected[max(-top, 0) :, max(-left, 0) :]
        height = min(len(found), len(expected))
        assert found.shape[1] == expected.shape[1]
        assert np.abs(found[:height] - expected[:height]).max() <= 1, model


def canvas_pixels(page: Any) -> np.ndarray:
    # As PNG: a list of all values takes ten seconds.
    address = page.evaluate("canvas.toDataURL()")
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def encoded(kind: str, count: int = 1, mode: str = "RGB", **options: Any) -> bytes:
    frames = [
        Image.new(mode, (9, 11), (value, 9, 200, 90)[: len(mode)]) for value in (10, 120, 250)
    ]
    content = io.BytesIO()
    frames[0].save(content, kind, save_all=count > 1, append_images=frames[1:count], **options)
    return content.getvalue()


ANIMATED = "is animated, and only still images are enlarged: save one of its frames as PNG or JPEG."
OPAQUE = (
    "is transparent, and opaque photographs are enlarged here: the command `subpixel upscale` "
    "keeps transparency."
)
REFUSED = {
    "text.png": (b"no image", "is not an image that this browser reads."),
    "cut.gif": (encoded("GIF")[:20], "is not an image that this browser reads."),
    "animated.gif": (encoded("GIF", 3), ANIMATED),
    "animated.png": (encoded("PNG", 3), ANIMATED),
    "animated.webp": (encoded("WEBP", 3), ANIMATED),
    "animated.avif": (encoded("AVIF", 3), ANIMATED),
    "transparent.png": (encoded("PNG", mode="RGBA"), OPAQUE),
    "transparent.webp": (encoded("WEBP", mode="RGBA"), OPAQUE),
}


def status_of(page: Any, path: Path, content: bytes) -> str:
    """Drops a file, and returns what the page says of it."""
    path.write_bytes(content)
    drop(page, path)
    deadline = time.monotonic() + 30
    while (said := page.inner_text("#status")).startswith("Reading") or path.name not in said:
        assert time.monotonic() < deadline, said
        page.wait_for_timeout(20)
    return said


def test_files_that_are_not_enlarged_are_named(page: Any, tmp_path: Path):
    for name, (content, message) in REFUSED.items():
        assert status_of(page, tmp_path / name, content) == f"{name} {message}"
        assert page.is_disabled("#save")
    for kind in ("GIF", "PNG", "WEBP", "AVIF"):
        said = status_of(page, tmp_path / f"still.{kind.lower()}", encoded(kind))
        assert "9 × 11 becomes 27 × 33" in said  # noqa: RUF001


def test_a_result_that_the_browser_does_not_hold_is_said(page: Any, tmp_path: Path):
    path = tmp_path / "line.png"
    # 75,000 pixels in a row are more than a canvas has.
    Image.new("RGB", (25_000, 2), "red").save(path)
    drop(page, path)
    page.wait_for_selector("#save:not(:disabled)")
    page.click("#save")
    page.wait_for_selector("#status.error")
    said = page.inner_text("#status")
    assert said.startswith("This browser does not hold an image of 75000 × 6")  # noqa: RUF001
