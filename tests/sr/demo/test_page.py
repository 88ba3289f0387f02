"""The page's own code, run by Node.js: animated images, and workers that do not run."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subpixel.sr.demo.build as build

FRAMES = [Image.fromarray(np.full((9, 11, 3), value, np.uint8)) for value in (10, 120, 250)]


def run_node(tmp_path: Path, script: str) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    for path in build.PAGE.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "script.js").write_text(script)
    result = subprocess.run(
        [node, "script.js"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def encoded(kind: str, count: int, **options) -> bytes:
    buffer = io.BytesIO()
    FRAMES[0].save(buffer, kind, save_all=count > 1, append_images=FRAMES[1:count], **options)
    return buffer.getvalue()


def with_local_table(content: bytes) -> bytes:
    """A GIF whose first frame is preceded by a comment of two blocks."""
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    comment = b"\x21\xfe\x05hello\x03abc\x00"
    return content[:start] + comment + content[start:]


def test_animated_images_are_told_from_still_ones(tmp_path):
    files = {
        "gif": (encoded("GIF", 3), True),
        "gif of two frames, no loop": (encoded("GIF", 2, duration=100), True),
        "gif with a comment": (with_local_table(encoded("GIF", 3)), True),
        "still gif": (encoded("GIF", 1), False),
        "still gif with a comment": (with_local_table(encoded("GIF", 1)), False),
        "cut gif": (encoded("GIF", 1)[:40], False),
        "apng": (encoded("PNG", 3), True),
        "png": (encoded("PNG", 1), False),
        "webp": (encoded("WEBP", 3), True),
        "still webp": (encoded("WEBP", 1), False),
        "webp with a profile": (encoded("WEBP", 1, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"), False),
        "avif": (encoded("AVIF", 3), True),
        "still avif": (encoded("AVIF", 1), False),
        "jpeg": (encoded("JPEG", 1), False),
        "empty": (b"", False),
        "cut png": (b"\x89PNG\r\n\x1a\n\0\0", False),
    }
    for index, (content, _) in enumerate(files.values()):
        (tmp_path / f"file{index}").write_bytes(content)
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ isAnimated }} from "./animated.js";
        const found = [];
        for (let i = 0; i < {len(files)}; i++) found.push(isAnimated(readFileSync(`file${{i}}`)));
        console.log(JSON.stringify(found));
    """
    found = json.loads(run_node(tmp_path, script))
    assert dict(zip(files, found, strict=True)) == {name: is_ for name, (_, is_) in files.items()}


WORKERS = """
    const created = [];
    globalThis.Worker = class {
        constructor() { created.push(this); }
        postMessage() {}
    };
    const { Pool } = await import("./pool.js");
    const pool = new Pool(2);
    const shown = [];
    pool.onFailure = (error) => shown.push(error.message);
    const task = () => ({ tile: { data: new Uint8Array(4) } });
    const results = [1, 2, 3].map(() => pool.run(task).then(() => "done", (e) => e.message));
"""


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            "created[1].onerror({})",
            "The network does not run: worker.js or ONNX Runtime cannot be loaded from this "
            "server.",
        ),
        (
            'created[0].onerror({ message: "no memory" })',
            "The network does not run: no memory.",
        ),
        (
            "created[0].onmessageerror({})",
            "The network does not run: a message between the page and a worker was lost.",
        ),
    ],
)
def test_a_worker_that_does_not_run_ends_every_task_then_and_later(tmp_path, event, message):
    script = f"""{WORKERS}
        {event};
        results.push(pool.run(task).then(() => "done", (e) => e.message));
        console.log(JSON.stringify([await Promise.all(results), shown]));
    """
    found, shown = json.loads(run_node(tmp_path, script))
    assert found == [message] * 4
    assert shown == [message]


def test_a_png_encoder_that_does_not_run_ends_the_file(tmp_path):
    script = """
        let worker;
        globalThis.Worker = class {
            constructor() { worker = this; }
            postMessage() { setTimeout(() => worker.onerror({})); }
            terminate() {}
        };
        const { encode } = await import("./save.js");
        const photograph = { width: 2, height: 2, hasAlpha: false };
        const options = { photograph, model: { scale: 3 }, software: "" };
        console.log(await encode(options).catch((error) => error.message));
    """
    assert run_node(tmp_path, script).strip() == (
        "The PNG file cannot be written: png.js cannot be loaded."
    )


def test_the_page_says_what_is_wrong_where_its_script_does_not_start():
    page = (build.PAGE / "index.html").read_text()
    status = page.partition('<p id="status" role="status">')[2].partition("</p>")[0]
    assert "python -m http.server" in status
    # The script takes the text away.
    assert 'showStatus("")' in (build.PAGE / "app.js").read_text()
