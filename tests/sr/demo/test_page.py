"""The page's own code, run by Node.js: workers that do not run."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import subpixel.sr.demo.build as build


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


def test_a_task_that_cannot_be_made_ends_itself_only(tmp_path):
    script = f"""{WORKERS}
        const fail = () => {{ throw new Error("no canvas"); }};
        results.push(pool.run(fail).then(() => "done", (e) => e.message));
        for (const id of [0, 1, 2]) created[id % 2].onmessage({{ data: {{ id, result: 1 }} }});
        console.log(JSON.stringify(await Promise.all(results)));
    """
    assert json.loads(run_node(tmp_path, script)) == ["done"] * 3 + ["no canvas"]


def test_the_page_says_what_is_wrong_where_its_script_does_not_start():
    page = (build.PAGE / "index.html").read_text()
    status = page.partition('<p id="status" role="status">')[2].partition("</p>")[0]
    assert "python -m http.server" in status
    # The script takes the text away.
    assert 'showStatus("")' in (build.PAGE / "app.js").read_text()
