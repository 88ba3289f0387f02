"""The page in headless Chromium gives the image of `subpixel upscale`."""

import functools
import http.server
import io
import math
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator
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
from subpixel.sr.demo.runtime import DIGESTS, runtime_files
from subpixel.sr.models.find import find_model

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


def save_png(path: Path) -> None:
    Image.fromarray(data.chelsea()[40:260, 60:367]).save(path)


def save_transparent(path: Path) -> None:
    pixels = data.chelsea()[:150, :200]
    y, x = np.mgrid[:150, :200]
    # From opaque to invisible, with a hidden colour under what is invisible.
    alpha = (300 - 4 * np.hypot(y - 75, x - 100)).clip(0, 255).astype(np.uint8)
    pixels = np.where(alpha[..., None] == 0, np.uint8([255, 0, 255]), pixels)
    Image.fromarray(np.dstack([pixels, alpha])).save(path)


def save_grey(path: Path) -> None:
    Image.fromarray(data.camera()[100:260, 150:301]).save(path)


def save_line(path: Path) -> None:
    Image.fromarray(data.chelsea()[100:101, :40]).save(path)


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(data.astronaut()[:201, :300])
    image.save(path, exif=exif, quality=92, subsampling=0)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("cat.png", save_png),
        ("transparent.png", save_transparent),
        ("grey.png", save_grey),
        ("line.png", save_line),
        ("turned.jpeg", save_turned),
    ],
)
def test_gives_the_pixels_of_the_command(
    page: Any, tmp_path: Path, name: str, save: Callable[[Path], None]
):
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
    assert f"model {MODEL}" in image.info["Software"]


def test_shows_bicubic_beside_the_network(page: Any, tmp_path: Path):
    path = tmp_path / "cat.png"
    save_png(path)
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
    width, height, values = page.evaluate(
        """() => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, Array.from(data)];
        }"""
    )
    return np.array(values, np.uint8).reshape(height, width, 4)


def test_names_a_file_that_is_no_image(page: Any, tmp_path: Path):
    path = tmp_path / "text.png"
    path.write_text("no image")
    drop(page, path)
    page.wait_for_selector("#status.error")
    assert page.inner_text("#status") == "text.png is not an image that this browser reads."


def test_works_without_a_network(browser: Any, demo: Path, tmp_path: Path):
    path = tmp_path / "grey.png"
    save_grey(path)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    with served(demo) as address:
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()  # the server is gone
    page.wait_for_selector("html[data-ready]")
    drop(page, path)
    assert Image.open(io.BytesIO(saved(page))).size == (453, 480)
    context.close()


def test_all_sizes_of_strips_are_valid_png(page: Any, tmp_path: Path):
    # 300 rows are three rows of tiles; the file is read by a decoder that checks every sum.
    path = tmp_path / "tall.png"
    Image.fromarray(data.retina()[:300, 500:560]).save(path)
    drop(page, path)
    content = saved(page)
    position, kinds = 8, []
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        chunk = content[position + 4 : position + 8 + length]
        kinds.append(chunk[:4])
        sum_ = content[position + 8 + length : position + 12 + length]
        assert zlib.crc32(chunk) == int.from_bytes(sum_, "big")
        position += 12 + length
    assert kinds[:3] == [b"IHDR", b"sRGB", b"tEXt"]
    assert set(kinds[3:-1]) == {b"IDAT"}
    assert kinds[-1] == b"IEND"


def test_digests_name_the_files_that_the_worker_loads(demo: Path):
    worker = (demo / "worker.js").read_text()
    assert all(f"./ort/{name.replace('.mjs', '.js')}" in worker for name in DIGESTS)
