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
import pyvips
from files import COFFEE, rgba, save
from PIL import Image
from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo import writing
from subpixel.sr.photo.batch import Outcome, jobs_beside, other_files, plan_jobs, run_jobs
from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings, upscale_photograph
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.progress import BatchProgress
from subpixel.sr.photo.video import VideoEncoding


def run(inputs, output, overwrite=False, suffix=None) -> tuple[Outcome, str]:
    jobs = plan_jobs([Path(path) for path in inputs], output, suffix)
    console = Console(record=True, width=1000, file=io.StringIO())
    settings = Settings(find_models("bicubic"), Size(scale=2))
    with BatchProgress(console, [0.0] * len(jobs)) as progress:
        outcome = run_jobs(jobs, settings, VideoEncoding(), overwrite, progress)
    return outcome, console.export_text()


def tree(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_a_folder_is_kept_as_a_tree(tmp_path):
    for name in ("a.png", "deep/er/b.jpg", "deep/c.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / "in" / name)
    (tmp_path / "in/notes.txt").write_text("not an image")
    outcome, _ = run([tmp_path / "in"], tmp_path / "out")
    assert (outcome.done, outcome.failed) == (3, 0)
    assert tree(tmp_path / "out") == ["a.png", "deep/c.png", "deep/er/b.jpg"]


def test_results_inside_the_source_are_not_enlarged_again(tmp_path):
    save(tmp_path / "a.png")
    for _ in range(2):
        run([tmp_path], tmp_path / "big")
    assert tree(tmp_path) == ["a.png", "big/a.png"]


def test_what_is_there_is_left_unless_it_is_to_be_replaced(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_bytes(b"precious")
    outcome, _ = run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out")
    assert (outcome.done, outcome.present, outcome.exit_code) == (1, 1, 0)
    assert (tmp_path / "out/a.png").read_bytes() == b"precious"
    outcome, _ = run([tmp_path / "a.png"], tmp_path / "out", overwrite=True)
    assert outcome.done == 1
    with Image.open(tmp_path / "out/a.png") as image:
        assert image.size == (160, 120)


def test_two_inputs_with_one_name(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "a.png")
    outcome, printed = run([tmp_path / "x/a.png", tmp_path / "y/a.png"], tmp_path / "out")
    assert (outcome.done, outcome.failed, outcome.exit_code) == (1, 1, 1)
    assert "x/a.png would both become" in printed


def test_a_result_never_replaces_its_source(tmp_path):
    before = save(tmp_path / "a.png").read_bytes()
    outcome, printed = run([tmp_path / "a.png"], tmp_path, overwrite=True)
    assert outcome.failed == 1
    assert "would be replaced by its result" in printed
    assert (tmp_path / "a.png").read_bytes() == before


def test_formats_are_chosen(tmp_path):
    save(tmp_path / "a.jpg")
    run([tmp_path / "a.jpg"], tmp_path / "out", suffix=".webp")
    with Image.open(tmp_path / "out/a.webp") as image:
        assert image.format == "WEBP"


@pytest.mark.parametrize("name", ["out.png", "there"])
def test_several_files_need_a_folder(name, tmp_path):
    (tmp_path / "there").write_text("a file")
    paths = [save(tmp_path / "a.png"), save(tmp_path / "b.png")]
    with pytest.raises(InputError, match="cannot be written to the one file"):
        plan_jobs(paths, tmp_path / name)


def test_an_output_that_looks_like_a_file_of_another_kind_is_refused(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.gif has no suffix of a format that is written"):
        plan_jobs([tmp_path / "a.png"], tmp_path / "b.gif")
    (tmp_path / "b.gif").mkdir()
    for name in ("b.gif", "2024.05", "large"):
        (job,) = plan_jobs([tmp_path / "a.png"], tmp_path / name)
        assert job.target == tmp_path / name / "a.png"


def test_a_format_must_fit_the_name_of_the_output(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.jpeg is no webp file"):
        plan_jobs([tmp_path / "a.png"], tmp_path / "b.jpeg", ".webp")
    (job,) = plan_jobs([tmp_path / "a.png"], tmp_path / "b.jpeg", ".jpg")
    assert job.target == tmp_path / "b.jpeg"


def test_a_file_given_twice_is_done_once(tmp_path):
    save(tmp_path / "a.png")
    jobs = plan_jobs([tmp_path / "a.png", tmp_path / "a.png", tmp_path], tmp_path / "out")
    assert [job.problem for job in jobs] == [""]


def test_files_of_other_kinds_are_counted(tmp_path):
    for name in ("in/a.dng", "in/deep/b.DNG", "in/c.txt", "in/README", "in/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("not an image")
    save(tmp_path / "in/d.png")
    assert other_files([tmp_path / "in"], tmp_path / "out") == {".dng": 2, ".txt": 1}


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
    jobs = plan_jobs([save(tmp_path / "a.png")], tmp_path / "out")
    console = Console(record=True, width=1000, file=io.StringIO())
    settings = Settings(find_models("espcn", consistent=True), Size(scale=2.5), consistent=True)
    with BatchProgress(console, [0.0]) as progress:
        run_jobs(jobs, settings, VideoEncoding(), False, progress)
    assert f"{tmp_path / 'a.png'}: consistent goes with a scale of the model" in (
        console.export_text()
    )


def test_no_bar_is_drawn_into_a_log(tmp_path):
    _, printed = run([save(tmp_path / "a.png")], tmp_path / "out")
    assert printed == ""


def test_links_to_folders_are_followed_once(tmp_path):
    (tmp_path / "in/real").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    save(tmp_path / "in/real/a.png")
    save(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/real/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/again").symlink_to(tmp_path / "elsewhere")
    outcome, _ = run([tmp_path / "in"], tmp_path / "out")
    assert (outcome.done, outcome.failed) == (2, 0)
    assert tree(tmp_path / "out") == ["again/b.png", "real/a.png"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    (tmp_path / "in/.thumbnails").mkdir(parents=True)
    save(tmp_path / "in/.thumbnails/a.png")
    save(tmp_path / "in/b.jpg")
    (tmp_path / "in/._b.jpg").write_bytes(b"\0\x05\x16\x07 a fork of macOS")
    outcome, printed = run([tmp_path / "in"], tmp_path / "out")
    assert (outcome.done, outcome.failed, printed) == (1, 0, "")
    assert tree(tmp_path / "out") == ["b.jpg"]


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
    (tmp_path / "in").mkdir()
    inputs = [save(tmp_path / "a.png"), tmp_path / "in", tmp_path / "b.heic", tmp_path / "c.avi"]
    save(tmp_path / "in/d.png")
    targets = [job.target.relative_to(tmp_path) for job in jobs_beside(inputs, size.label)]
    names = [f"a_{label}.png", f"in_{label}/d.png", f"b_{label}.jpg", f"c_{label}.mkv"]
    assert [str(target) for target in targets] == names


def test_stdout_is_no_output(tmp_path):
    with pytest.raises(InputError, match="not written to stdout: name a file or a folder"):
        plan_jobs([save(tmp_path / "a.png")], Path("-"))


def test_a_note_is_shown_once_and_counted(tmp_path):
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0x927C] = b"maker"
    inputs = [save(tmp_path / f"{i}.jpg", exif=tags) for i in range(3)]
    _, printed = run(inputs, tmp_path / "out")
    note = "maker notes were left out, which hold in the camera's own file only"
    assert printed.splitlines() == [f"{inputs[0]}: {note}", f"2 more files: {note}"]


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
        settings = Settings(find_models("bicubic"), Size(scale=2))
        list(pool.map(lambda i: upscale_photograph(inputs[i % 2], target, settings), range(8)))
    assert target.read_bytes() in whole
    assert tree(tmp_path / "out") == [f"a.{suffix}"]


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="in holds no images or videos"):
        plan_jobs([tmp_path / "in"], tmp_path / "out")


def test_a_folder_where_the_result_belongs(tmp_path):
    (tmp_path / "out/a.png").mkdir(parents=True)
    outcome, printed = run([save(tmp_path / "a.png")], tmp_path / "out")
    assert outcome.failed == 1
    assert "out/a.png is a folder, where the result of" in printed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everything")
def test_what_may_not_be_read_or_written_is_named(tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    outcome, printed = run([save(tmp_path / "a.png")], tmp_path / "out")
    assert outcome.failed == 1
    assert "Permission denied" in printed


def test_a_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    save(tmp_path / "in/sub/a.png")
    save(tmp_path / "in/b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").write_text("a file")
    outcome, printed = run([tmp_path / "in"], tmp_path / "out")
    assert (outcome.done, outcome.failed) == (1, 1)
    assert str(tmp_path / "out/sub") in printed


def test_a_full_disk_leaves_no_half_file(tmp_path):
    large = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    save(tmp_path / "a.png", large)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from subpixel.sr.cli._run import run_command; from subpixel.__main__ import main;"
        "run_command(main)"
    )
    words = ["upscale", tmp_path / "a.png", "-o", tmp_path / "b.png", "--model=bicubic"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "b.png cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert tree(tmp_path) == ["a.png"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_whole_files_and_the_same_command_does_the_rest(number, tmp_path):
    large = np.tile(COFFEE, (10, 10, 1))
    (tmp_path / "in").mkdir()
    for i in range(12):
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
    assert len(names) < 12
    assert all(name.endswith(".png") for name in names)
    kept = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in names}
    for name in names:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()
            assert image.size == (2400, 1800)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert f"{12 - len(names)} enlarged, {len(names)} there already" in ended.stderr
    assert len(tree(tmp_path / "out")) == 12
    for name, written in kept.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == written


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


@pytest.mark.parametrize("values", [COFFEE, COFFEE[..., 0], rgba(), rgba()[..., 2:]])
def test_results_larger_than_memory_wait_in_a_file(values, tmp_path, monkeypatch):
    save(tmp_path / "a.png", values)
    run([tmp_path / "a.png"], tmp_path / "b.png")
    monkeypatch.setattr(writing, "MEMORY_BYTES", 0)
    run([tmp_path / "a.png"], tmp_path / "c.png")
    assert tree(tmp_path) == ["a.png", "b.png", "c.png"]
    first, second = (pyvips.Image.new_from_file(tmp_path / f"{name}.png") for name in "bc")
    assert first.interpretation == second.interpretation
    np.testing.assert_array_equal(first.numpy(), second.numpy())
