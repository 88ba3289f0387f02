"""Many files in one call: trees, names, stops, what is there already."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from files import COFFEE, enlarge, save
from PIL import Image
from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.batch import Outcome, plan_jobs, run_jobs
from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.progress import BatchProgress


def run(inputs, output, overwrite=False, suffix=None, scale=2) -> tuple[Outcome, str]:
    jobs, _ = plan_jobs([Path(path) for path in inputs], output, "x2", suffix)
    console = Console(record=True, width=1000, file=io.StringIO())
    settings = Settings(find_models("bicubic"), Size(scale=scale))
    with BatchProgress(console, len(jobs)) as progress:
        outcome = run_jobs(jobs, settings, overwrite, progress)
    return outcome, console.export_text()


def targets(inputs, output, label="x2", suffix=None) -> list[Path]:
    return [job.target for job in plan_jobs(inputs, output, label, suffix)[0]]


def tree(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def save_all(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    return [save(root / name) for name in names]


def test_a_folder_is_kept_as_a_tree(tmp_path):
    save_all(tmp_path / "in", "a.png", "deep/er/b.jpg", "deep/c.png")
    for name in ("a.dng", "deep/b.DNG", "c.txt", "README", ".hidden"):
        (tmp_path / "in" / name).write_text("not an image")
    outcome, printed = run([tmp_path / "in"], tmp_path / "out")
    # No bar is drawn into a log.
    assert (outcome.done, outcome.failed, printed) == (3, 0, "")
    assert tree(tmp_path / "out") == ["a.png", "deep/c.png", "deep/er/b.jpg"]
    assert plan_jobs([tmp_path / "in"], None, "x2")[1] == {".dng": 2, ".txt": 1}


def test_results_inside_the_source_are_not_enlarged_again(tmp_path):
    save(tmp_path / "a.png")
    for _ in range(2):
        run([tmp_path], tmp_path / "big")
    assert tree(tmp_path) == ["a.png", "big/a.png"]


def test_what_is_there_is_left_unless_it_is_to_be_replaced(tmp_path):
    save_all(tmp_path, "a.png", "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_bytes(b"precious")
    outcome, _ = run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out")
    assert (outcome.done, outcome.present, outcome.failed) == (1, 1, 0)
    assert (tmp_path / "out/a.png").read_bytes() == b"precious"
    outcome, _ = run([tmp_path / "a.png"], tmp_path / "out", overwrite=True)
    assert outcome.done == 1
    with Image.open(tmp_path / "out/a.png") as image:
        assert image.size == (160, 120)


def folder_of_the_result(root: Path):
    (root / "out/a.png").mkdir(parents=True)


def file_for_a_folder(root: Path):
    (root / "out").mkdir()
    (root / "out/y").write_text("a file")


@pytest.mark.parametrize(
    ("inputs", "output", "prepare", "done", "said"),
    [
        (["x/a.png", "y/a.png"], "out", None, 1, "x/a.png would both become"),
        (["x/a.png"], "x", None, 0, "would be replaced by its result"),
        (["x/a.png"], "out", folder_of_the_result, 0, "out/a.png is a folder, where the result of"),
        (["."], "out", file_for_a_folder, 1, "out/y"),
    ],
)
def test_a_result_that_has_no_place_is_named(
    inputs, output, prepare, done, said, tmp_path, monkeypatch
):
    files = save_all(tmp_path / "in", "x/a.png", "y/a.png")
    before = files[0].read_bytes()
    monkeypatch.chdir(tmp_path / "in")
    if prepare:
        prepare(tmp_path / "in")
    outcome, printed = run(inputs, Path(output), overwrite=True)
    assert (outcome.done, outcome.failed) == (done, 1)
    assert said in printed
    assert files[0].read_bytes() == before


@pytest.mark.parametrize(
    ("names", "output", "suffix", "message"),
    [
        ("ab", "out.png", None, "several files cannot be written to the one file"),
        ("ab", "there", None, "several files cannot be written to the one file"),
        ("a", "there", None, "there is a file where a folder must be"),
        ("a", "b.gif", None, r"b\.gif has no suffix of a format that is written .* it first"),
        ("a", "b.bmp", None, r"b\.bmp has no suffix of a format that is written"),
        ("a", "b.jpeg", ".webp", r"b\.jpeg has a format by its name: leave out --format"),
        ("a", "-", None, "not written to stdout: name a file or a folder"),
        ("", "out", None, "in holds no images or videos"),
    ],
)
def test_an_output_that_cannot_be_is_refused(names, output, suffix, message, tmp_path):
    (tmp_path / "there").write_text("a file")
    (tmp_path / "in").mkdir()
    inputs = [save(tmp_path / f"{name}.png") for name in names] or [tmp_path / "in"]
    path = Path(output) if output == "-" else tmp_path / output
    with pytest.raises(InputError, match=message):
        plan_jobs(inputs, path, "x2", suffix)


def test_a_folder_may_look_like_a_file_if_it_is_there_and_a_format_is_chosen(tmp_path):
    source = save(tmp_path / "a.png")
    for name in ("b.gif", "2024.05", "large"):
        (tmp_path / name).mkdir()
        assert targets([source], tmp_path / name) == [tmp_path / name / "a.png"]
    assert targets([source], tmp_path / "new") == [tmp_path / "new/a.png"]
    assert targets([source], tmp_path / "b.jpeg") == [tmp_path / "b.jpeg"]
    assert targets([source], tmp_path / "new", suffix=".webp") == [tmp_path / "new/a.webp"]


def test_a_file_given_twice_is_done_once(tmp_path):
    source = save(tmp_path / "a.png")
    jobs, _ = plan_jobs([source, source, tmp_path], tmp_path / "out", "x2")
    assert [job.problem for job in jobs] == [""]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    outcome, printed = run([tmp_path], tmp_path / "out")
    assert (outcome.done, outcome.failed) == (1, 1)
    assert f"Permission denied: '{tmp_path / 'closed'}'" in printed


def test_errors_of_a_size_name_the_file(tmp_path):
    _, printed = run([save(tmp_path / "a.png")], tmp_path / "out", scale=5000)
    assert printed == (
        f"error: {tmp_path / 'a.png'}: the result would be 5e+03 times larger, and x4096 is the "
        "most that this model reaches: ask for less\n"
    )


def test_links_to_folders_are_followed_once_and_hidden_names_left_out(tmp_path):
    save_all(tmp_path, "in/real/a.png", "elsewhere/b.png", "in/.thumbnails/a.png")
    (tmp_path / "in/._b.jpg").write_bytes(b"\0\x05\x16\x07 a fork of macOS")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/real/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/again").symlink_to(tmp_path / "elsewhere")
    outcome, printed = run([tmp_path / "in"], tmp_path / "out")
    assert (outcome.done, outcome.failed, printed) == (2, 0, "")
    assert tree(tmp_path / "out") == ["again/b.png", "real/a.png"]


@pytest.mark.parametrize(
    ("size", "label"),
    [
        (Size(), "x3"),
        (Size(scale=2.5), "x2.5"),
        (Size(width=640), "640w"),
        (Size(height=480), "480h"),
        (Size(fit=(640, 480)), "640x480"),
    ],
)
def test_results_lie_beside_their_inputs_by_default(size, label, tmp_path):
    save_all(tmp_path, "a.png", "in/d.png")
    inputs = [tmp_path / name for name in ("a.png", "in", "b.heic", "c.avi", "e.bmp")]
    names = ("a_{}.png", "in_{}/d.png", "b_{}.jpg", "c_{}.mkv", "e_{}.png")
    found = targets(inputs, None, size.label)
    assert found == [tmp_path / name.format(label) for name in names]


def test_a_note_is_shown_once_and_counted(tmp_path):
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0x927C] = b"maker"
    inputs = [save(tmp_path / f"{i}.jpg", exif=tags) for i in range(3)]
    _, printed = run(inputs, tmp_path / "out")
    note = "maker notes were left out, which hold in the camera's own file only"
    assert printed.splitlines() == [f"{inputs[0]}: {note}", f"2 more files: {note}"]
    with Image.open(tmp_path / "out/0.jpg") as image:
        assert 0x927C not in image.getexif().get_ifd(0x8769)


def test_a_log_says_how_much_of_a_file_is_done(monkeypatch):
    console = Console(record=True, width=1000, file=io.StringIO())
    monkeypatch.setattr("subpixel.sr.photo.progress.LOG_SECONDS", 0)
    with BatchProgress(console, 2) as progress:
        progress.begin(Path("a\n.mp4"))
        for done, total in ((1, 4), (3, 4), (5, None)):
            progress.advance(done, total)
    lines = console.export_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        r"a\n.mp4: 25%", r"a\n.mp4: 75%", r"a\n.mp4: 0%"
    ]  # fmt: skip
    assert lines[1].endswith(" s remain")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_two_runs_with_one_target_leave_one_whole_result(suffix, tmp_path):
    """Runs that overlap in every order; the result is that of one of them."""
    large = np.tile(COFFEE, (4, 4, 1))
    inputs = [save(tmp_path / f"{i}.png", np.roll(large, 100 * i)) for i in range(2)]
    target = tmp_path / f"out/a.{suffix}"
    whole = []
    for source in inputs:
        run([source], target, overwrite=True)
        whole.append(target.read_bytes())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: enlarge(inputs[i % 2], target), range(8)))
    assert target.read_bytes() in whole
    assert tree(tmp_path / "out") == [f"a.{suffix}"]


def test_a_full_disk_leaves_no_half_file(tmp_path):
    noise = np.frombuffer(np.random.default_rng(0).bytes(120_000), np.uint8).reshape(200, 200, 3)
    names = [f"in/{name}" for name in ("a.jpg", "b.tif", "c.webp", "d.png")]
    (tmp_path / "in").mkdir()
    for name in names:
        save(tmp_path / name, noise)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from subpixel.sr.cli._run import run_command; from subpixel.__main__ import main;"
        "run_command(main)"
    )
    words = ["upscale", tmp_path / "in", "-o", tmp_path / "out", "--model=bicubic"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    for line, name in zip(ended.stderr.splitlines(), names, strict=False):
        assert line.startswith("error: ")
        assert line.endswith(f": {tmp_path / name.replace('in', 'out')}")
    assert tree(tmp_path) == names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_whole_files_and_the_same_command_does_the_rest(number, tmp_path):
    large = np.tile(COFFEE, (8, 8, 1))
    (tmp_path / "in").mkdir()
    for i in range(7):
        save(tmp_path / f"in/{i:02d}.png", large)
    words = ["upscale", tmp_path / "in", "-o", tmp_path / "out", "--model=bicubic"]
    command = [sys.executable, "-m", "subpixel", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out").exists() or len(tree(tmp_path / "out")) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, printed = process.communicate()
    assert process.returncode == 128 + number
    assert "interrupted" in printed
    names = tree(tmp_path / "out")
    assert len(names) < 7
    assert all(name.endswith(".png") for name in names)
    for name in names:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()
            assert image.size == (1920, 1440)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert f"{7 - len(names)} enlarged, {len(names)} there already" in ended.stderr
    assert len(tree(tmp_path / "out")) == 7


@pytest.mark.slow
def test_memory_is_flat_over_a_thousand_files(tmp_path):
    large = np.tile(COFFEE, (4, 4, 1))
    inputs = [save(tmp_path / f"{i}.jpg", np.roll(large, i)) for i in range(50)]
    memory = psutil.Process().memory_info
    sizes = []
    for i in range(20):
        run(inputs, tmp_path / "out", overwrite=i > 0)
        sizes.append(memory().rss / 2**20)
    assert max(sizes[10:]) - sizes[5] < 16, sizes
