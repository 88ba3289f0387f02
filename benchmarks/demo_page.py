"""Makes docs/demo.webp, or times the page and the command: python benchmarks/demo_page.py [--time].

It needs Chromium and npm. With --time it enlarges one megapixel of the photograph retina (CC0) by
x3 with `espcn_x3`: in the page until the PNG file is saved, and by `python -m subpixel upscale`,
its start included. It prints seconds of the clock, then seconds of all processors.
"""

import functools
import http.server
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from playwright.sync_api import sync_playwright
from skimage import data

from subpixel.sr.cli.demo import DEFAULT_MODELS
from subpixel.sr.demo.build import build_demo
from subpixel.sr.find import find_model

IMAGE = Path(__file__).parents[1] / "docs/demo.webp"
MODEL = "espcn_x3"
# The compilation of WebAssembly is slow where other programs use the processors.
TIMEOUT_MS = 300_000


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def opened_page(folder: Path) -> Iterator[Any]:
    """Builds the demo in a folder, serves it, and yields the page in Chromium."""
    build_demo([find_model(name) for name in DEFAULT_MODELS], folder)
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        page.wait_for_selector("html[data-ready]")
        yield page
        browser.close()
        server.shutdown()


def show(page: Any, photo: Path) -> None:
    """Opens a photograph in the page and waits for its tiles."""
    page.set_input_files("#file", photo)
    page.wait_for_selector("#stage[data-pending=false]")


def children_seconds() -> float:
    """Returns the processor time of all descendants of this process that still run."""
    times = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    return sum(each.user + each.system for each in times)


def time_page(page: Any, photo: Path) -> tuple[float, float]:
    """Returns seconds and processor seconds from the click on Save to the whole PNG file."""
    show(page, photo)
    began, cpu_began = time.perf_counter(), children_seconds()
    with page.expect_download() as download:
        page.click("#save")
    download.value.path()
    return time.perf_counter() - began, children_seconds() - cpu_began


def time_command(photo: Path, target: Path) -> tuple[float, float]:
    """Returns seconds and processor seconds of the command."""
    words = [sys.executable, "-m", "subpixel", "upscale", str(photo), "-o", str(target)]
    began, before = time.perf_counter(), os.times()
    subprocess.run([*words, f"--model={MODEL}"], check=True, capture_output=True)
    elapsed, after = time.perf_counter() - began, os.times()
    user = after.children_user - before.children_user
    return elapsed, user + after.children_system - before.children_system


def main() -> None:
    """Makes the image, or measures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cat, megapixel = folder / "cat.png", folder / "retina.png"
        Image.fromarray(data.chelsea()).save(cat)
        Image.fromarray(data.retina()[200:1200, 200:1200]).save(megapixel)
        with opened_page(folder / "site") as page:
            if "--time" not in sys.argv[1:]:
                show(page, cat)
                content = io.BytesIO(page.screenshot())
                Image.open(content).convert("RGB").save(IMAGE, quality=90)
                return
            print(f"load average {os.getloadavg()[0]:.1f}")
            for round_number in range(3):
                times = {
                    "page": time_page(page, megapixel),
                    "command": time_command(megapixel, folder / f"{round_number}.png"),
                }
                for what, (seconds, processor) in times.items():
                    print(f"{what}: {seconds:.1f} s, {processor:.1f} s of processor time")


if __name__ == "__main__":
    main()
