"""Outputs of every command: links, pipes and devices stay what they are; a bad place is named."""

import os
import stat
import threading

import conv_transpose
import pytest
from flax import nnx
from PIL import Image
from report import draw

from subpixel.__main__ import main
from subpixel.sr.cli._run import run_command
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.models.weights import save_weights

EVALUATE = "evaluate bicubic --scale=2 --benchmarks IN/set"
# Command, the option of its output, the suffix, and how a whole output begins.
OUTPUTS = {
    "evaluate, json": (f"{EVALUATE} --json=", ".json", b"{"),
    "evaluate, csv": (f"{EVALUATE} --csv=", ".csv", b"model,"),
    "export, onnx": ("export IN/network.safetensors --output=", ".onnx", b"\x08"),
    "export, pth": ("export IN/network.safetensors --output=", ".pth", b"PK"),
    "export, safetensors": ("export IN/network.safetensors --output=", ".safetensors", b""),
    "upscale, png": ("upscale IN/set/a.png --model=bicubic --output=", ".png", b"\x89PNG"),
    "upscale, jpg": ("upscale IN/set/a.png --model=bicubic --output=", ".jpg", b"\xff\xd8"),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    (root / "set").mkdir()
    Image.linear_gradient("L").resize((48, 40)).convert("RGB").save(root / "set/a.png")
    config = ESPCNConfig(scale=2, features=(4, 3))
    _, params = nnx.split(config.build("subpixel", seed=0))
    save_weights(root / "network.safetensors", nnx.to_pure_dict(params), config, "subpixel")
    return root


@pytest.fixture
def run(inputs, monkeypatch, capsys):
    def call(output, path):
        line = OUTPUTS[output][0].replace("IN", str(inputs)) + str(path)
        monkeypatch.setattr("sys.argv", ["subpixel", *line.split()])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        return ended.value.code, capsys.readouterr().err

    return call


@pytest.mark.parametrize("output", OUTPUTS)
def test_links_pipes_and_devices_are_written_into(output, run, tmp_path):
    _, suffix, start = OUTPUTS[output]
    link, pipe, device = (tmp_path / f"{name}{suffix}" for name in ("link", "pipe", "device"))
    link.symlink_to(f"target{suffix}")
    assert run(output, link)[0] == 0
    assert link.is_symlink()
    assert (tmp_path / f"target{suffix}").read_bytes().startswith(start)

    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert run(output, pipe)[0] == 0
    reader.join()
    assert received[0].startswith(start)
    assert len(received[0]) > 100
    assert stat.S_ISFIFO(pipe.stat().st_mode)

    device.symlink_to("/dev/full")
    code, error = run(output, device)
    assert code == 1
    assert f"No space left on device: {device}\n" in error
    assert stat.S_ISCHR(device.stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_place_that_cannot_be_an_output_is_named_in_one_line(output, run, tmp_path):
    (tmp_path / "file").touch()
    code, error = run(output, tmp_path / f"file/deeper/a{OUTPUTS[output][1]}")
    assert code == 2
    place = f"there is a file where a folder must be, {tmp_path}/file: name another place"
    assert error == f"error: {place}\n"


@pytest.mark.parametrize("kind", ["save-images", "error-maps"])
def test_images_of_a_measurement_follow_links(kind, inputs, monkeypatch, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.png").symlink_to("target.png")
    line = f"{EVALUATE} --{kind}={tmp_path}".replace("IN", str(inputs))
    monkeypatch.setattr("sys.argv", ["subpixel", *line.split()])
    assert main() == 0
    assert (tmp_path / "set/a.png").is_symlink()
    assert (tmp_path / "set/target.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".png", ".SVG"])
def test_a_chart_follows_a_link(suffix, tmp_path):
    times = {"median_ms": 2.0, "compile_s": 1.0}
    programs = {key: {"subpixel": times, "native": times} for key in ("forward", "gradients")}
    link = tmp_path / f"link{suffix}"
    link.symlink_to("target")
    draw({"geometries": {"audio": programs}}, link)
    assert link.is_symlink()
    start = {".png": b"\x89PNG", ".SVG": b"<?xml"}[suffix]
    assert (tmp_path / "target").read_bytes().startswith(start)


def test_two_outputs_in_one_file_are_refused(inputs, monkeypatch, capsys, tmp_path):
    line = f"{EVALUATE} --json={tmp_path}/a --csv={tmp_path}/./a".replace("IN", str(inputs))
    monkeypatch.setattr("sys.argv", ["subpixel", *line.split()])
    with pytest.raises(SystemExit):
        run_command(main)
    assert "are the same file: name two" in capsys.readouterr().err


def test_a_chart_of_another_format_is_refused_before_the_measurement(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["conv_transpose.py", "--chart=a.xyz"])
    with pytest.raises(SystemExit):
        run_command(conv_transpose.main)
    assert capsys.readouterr().err == "error: chart must end in .png or .svg; got a.xyz\n"
