"""The table of commands, what each imports, and how `--help | head` ends."""

import subprocess
import sys
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import faults
import pytest

from subpixel.__main__ import main
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.cli.evaluate import Options as EvalOptions
from subpixel.sr.cli.table import COMMANDS, run_any

REPOSITORY = Path(__file__).parents[3]
# Each takes a second or more to import, or writes files of its own.
HEAVY = {"PIL", "grain", "imagehash", "matplotlib", "orbax", "skimage", "tensorboardX", "torch"}
MODULES = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def run(*words, code=None):
    """Runs Python in a process of its own and returns what it printed."""
    arguments = [sys.executable, *(["-c", code] if code else []), *words]
    return subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_file_whose_help_states_each_default_once(name, capsys, monkeypatch):
    command = import_module(f"subpixel.sr.cli.{COMMANDS[name][0]}")
    assert is_dataclass(command.Options)
    assert callable(command.run)
    # Wide enough that no text is broken, and narrow enough for one column of options.
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        run_any([*name.split(), "--help"])
    text = capsys.readouterr().out
    assert "--help" in text
    for unclear in ("default: None", "(default: )", "{None"):
        assert unclear not in text


def test_every_file_of_the_room_is_a_command_or_shared():
    room = REPOSITORY / "subpixel/sr/cli"
    modules = {path.stem for path in room.glob("*.py")} - {"__init__", "_run", "table"}
    assert modules == {module for module, _ in COMMANDS.values()}


@pytest.mark.parametrize(
    "module",
    ["subpixel", "subpixel.sr.config", "subpixel.sr.data.config", "subpixel.sr.cli.table"],
)
def test_an_import_stays_light(module):
    # The star loads all of the library, which `import subpixel` does at first use.
    loaded = set(run(code=f"from subpixel import *; import {module}; {MODULES}").stdout.split())
    assert {"subpixel", "jax", "flax"} <= loaded
    assert not loaded & HEAVY


def test_upscale_does_not_import_the_training_loop():
    loaded = run(code="import sys, subpixel.sr.cli.upscale; print(*sys.modules)").stdout.split()
    assert "subpixel.sr.photo.batch" in loaded
    assert "subpixel.sr.training.loop" not in loaded


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "subpixel", "--help"),
        ("-m", "subpixel", "data", "verify", "--help"),
        ("train.py", "--help"),
        ("eval.py", "--help"),
        ("train.py", "--no-such-option"),
    ],
)
def test_a_closed_stdout_ends_silently(words):
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        error = process.stderr.read()
        code = process.wait()
    if "--no-such-option" in words:
        assert code == 2
        assert error.startswith("error: unknown option --no-such-option")
        assert error.count("\n") == 1
    else:
        assert code == 141
        assert error == ""


def test_commands_are_listed_and_the_first_word_of_several_lists_those(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["subpixel"])
    assert main() == 0
    listed = capsys.readouterr().out
    assert all(f"subpixel {name} " in listed for name in COMMANDS)
    monkeypatch.setattr("sys.argv", ["subpixel", "scores", "--help"])
    assert main() == 0
    scores, *rest = capsys.readouterr().out.splitlines()
    assert scores.startswith("subpixel scores table ")
    assert not any("subpixel" in line for line in rest)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("upscal", "unknown command 'upscal': the nearest is `subpixel upscale`; without arg"),
        ("data verfy", "unknown command 'data verfy': the nearest is `subpixel data verify`"),
        ("scores tabel", "unknown command 'scores tabel': the nearest is `subpixel scores table`"),
        (
            "figures table a.json",
            "unknown command 'figures table': the nearest is `subpixel scores",
        ),
        ("demo -o folder --consistent", "unknown option --consistent: --help lists all"),
        ("upscale a.png --json=a.json", "unknown option --json: --help lists all"),
        ("upscale a.png -o b.png --heigth=3", "unknown option --heigth: the nearest is --height;"),
        ("upscale a.png -o b.png --scale=abc", "--scale must be a number; got 'abc'"),
        ("upscale a.png -o b.png --width=10.5", "--width must be a whole number; got '10.5'"),
        ("upscale a.png -o b.png --crf=best", "--crf must be a whole number; got 'best'"),
        ("upscale a.png -o b.png --crf=52", "crf must be from 0 to 51; got 52"),
        ("upscale a.png -o b.png --quality=0", "quality must be from 1 to 100; got 0"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(words, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["subpixel", *words.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["--lr-from", "--lr_from", "--low-from", "--low_from"])
def test_the_earlier_name_of_an_option_still_works(option):
    words = ["bicubic", "--scale=3", "--benchmarks", "Set5", f"{option}=luma"]
    assert parse_options(EvalOptions, words).choose_protocol().lr_from == "luma"


@pytest.mark.slow
def test_training_and_its_measurements_run_without_jit(tmp_path):
    """`JAX_DISABLE_JIT=1 python train.py` is how people step through a training in a debugger."""
    faults.make_images(tmp_path)
    words = faults.command(tmp_path, tmp_path / "run", "--steps=6")
    environment = {**faults.environment(), "JAX_DISABLE_JIT": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("command", "package", "extras"),
    [
        ("train", "threadpoolctl", "train"),
        ("upscale", "tyro", "upscale"),
        ("export", "safetensors", "upscale,export"),
        ("", "tyro", "train"),
    ],
)
def test_a_missing_package_is_one_line_with_its_extra(command, package, extras, tmp_path):
    code = f"import sys; sys.modules[{package!r}] = None; import subpixel.__main__ as m; m.script()"
    options = {"export": ["espcn_x3", "-o", str(tmp_path / "a.onnx")], "upscale": ["a.png"]}
    words = [command, *options.get(command, [])] if command else []
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == f"error: {package} is not installed: pip install 'subpixel[{extras}]'\n"
