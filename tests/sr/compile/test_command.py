"""The command `compile` without compilers: its checks, its worker process, its tables."""

import sys
from dataclasses import asdict

import pytest
from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr.cli.table import run_named
from subpixel.sr.compile import report, worker
from subpixel.sr.compile.facts import Facts, collect
from subpixel.sr.compile.networks import rows, useful_work
from subpixel.sr.compile.program import TooLargeError
from subpixel.sr.compile.tables import calls_in_letters, geometry_tables, network_tables
from subpixel.sr.compile.targets import find_target
from subpixel.sr.compile.transposed import METHODS
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig
from subpixel.sr.training.step import check_batch

EXPERIMENT = Experiment(name="test", data=DataConfig(batch_size=24))
CALLS = {
    "convForward": {"count": 2, "multiply_adds": 3_000_000_000},
    "convBackwardInput": {"count": 1, "multiply_adds": 1_000_000_000},
    "cusolver_geqrf_ffi": {"count": 4, "multiply_adds": 0},
}


LAYER = {"geometry": "ESPCN x3 head", "dtype": "float32"}


def facts(target="h100", program="step", needed=2**31, **others):
    values = {"subject": {"upsampler": "subpixel"}, "useful": 2_000_000_000, "compile_s": 3.25}
    found = find_target(target)
    common = {"target": target, "devices": found.size, "program": program}
    return Facts(**{**common, "memory": found.memory, "needed": needed, **values, **others})


def printed(*tables):
    console = Console(width=80)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()


def test_the_useful_work_of_a_step_leaves_out_the_gradient_of_the_pixels():
    experiment = Experiment(
        name="test", model=ESPCNConfig(scale=2), data=DataConfig(batch_size=8, patch_size=10)
    )
    layers = [5 * 5 * 64, 3 * 3 * 64 * 32, 3 * 3 * 32 * 4]
    for target, patches in (("h100", 8), ("h100:4", 2)):
        forward, step = useful_work(experiment, "subpixel", find_target(target))
        assert forward == patches * 100 * sum(layers)
        assert step == patches * 100 * (3 * sum(layers) - layers[0])


def check(experiment, target):
    found = find_target(target)
    check_batch(experiment, found.size, found.platform)


def test_a_batch_must_be_divisible_over_the_devices_and_into_its_parts():
    check(EXPERIMENT, "h100:8")
    with pytest.raises(InputError, match=r"data.batch_size, 24, must be a multiple of the 16 dev"):
        check(EXPERIMENT, "v5e:4x4")
    divided = Experiment(
        name="test", data=DataConfig(batch_size=24), optimizer=OptimizerConfig(accumulation=4)
    )
    check(divided, "h100")
    with pytest.raises(InputError, match="accumulation is 4, which does not divide the 3 patches"):
        check(divided, "h100:8")


def test_a_refused_program_says_what_it_needs():
    def make():
        raise TooLargeError(20 * 2**30)

    refused = collect(find_target("v5e"), {"upsampler": "subpixel"}, "step", 1, make)
    assert refused.compile_s is None
    assert refused.excess == 4.25 * 2**30
    assert "refused" in printed(*network_tables([refused]))


def run(*arguments):
    return run_named("compile", arguments)


def test_what_cannot_be_compiled_is_said_before_anything_is(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "compile_elsewhere", None)
    with pytest.raises(InputError, match=r"needs a target, such as --target=h100 or"):
        run()
    with pytest.raises(InputError, match="unknown target 'h300': the nearest is h"):
        run("--target=h300")
    with pytest.raises(InputError, match="a folder: name a file"):
        run("--target=h100", f"--json={tmp_path}")
    monkeypatch.setattr(report, "check_packages", lambda _: None)
    with pytest.raises(InputError, match="must be a multiple of the 256 devices"):
        run("--target=h100", "--target=v6e:16x16")
    with pytest.raises(InputError, match=r"unknown geometries \['U-net'\]: the names are"):
        run("--target=h100", "--conv-transpose", "--only", "U-net")


def test_results_are_printed_and_written_also_where_a_program_does_not_fit(
    monkeypatch, tmp_path, capsys
):
    large = facts(program="forward", needed=100 * 2**30, calls=CALLS)
    monkeypatch.setattr(report, "check_packages", lambda _: None)
    monkeypatch.setattr(report, "compile_elsewhere", lambda *_, **__: iter([facts(), large]))
    path = tmp_path / "programs.json"
    with pytest.raises(InputError) as raised:
        run("--target=h100", f"--json={path}")
    assert str(raised.value) == (
        "forward of subpixel needs 100.0 GiB on a device and h100 has 79.1 GiB, so it does not "
        "fit by 20.9 GiB"
    )
    assert "102,400" in capsys.readouterr().out
    assert '"needed": 107374182400' in path.read_text()
    monkeypatch.setattr(report, "compile_elsewhere", lambda *_, **__: iter([facts()]))
    assert run("--target=h100", f"--json={path}") == 0


def test_tables_fit_a_terminal():
    collectives = {"all-reduce": {"count": 2, "bytes": 90920}}
    large = {"needed": 200 * 2**30, "arguments": 2**31, "temporaries": 198 * 2**30}
    many = [
        facts("h100:8", program, subject={"upsampler": name}, calls=CALLS, **large) for name in
        rows(EXPERIMENT) for program in ("step", "forward")
    ]  # fmt: skip
    many.append(facts("h100:8", calls=CALLS, collectives=collectives))
    text = printed(*network_tables(many))
    assert "other: cusolver_geqrf_ffi" in text
    assert "88.8" in text
    row = next(line for line in text.splitlines() if line.endswith("2.00 "))
    assert row.split() == ["subpixel", "step", "2", "1", "4", "2.00", "4.00", "2.00"]
    cycles = {"convolution": 12_345_000, "copy": 5000, "elementwise or sum": 1000}
    assert "12,351" in printed(*network_tables([facts("v5e", cycles=cycles)]))
    calls = {key: CALLS[key] for key in ("convForward", "convBackwardInput")}
    listed = [
        facts(program=program, calls=calls, subject={**LAYER, "method": method})
        for method in METHODS for program in ("forward", "gradients")
    ]  # fmt: skip
    text += printed(*geometry_tables(listed))
    assert "…" not in text
    assert text.count("ESPCN x3 head") == 1
    assert calls_in_letters(listed[0]) == "2F I"


def test_the_worker_replies_with_facts_and_only_a_failing_one_shows_its_errors(monkeypatch, capfd):
    read = "import json, os, sys; request = json.load(sys.stdin); "

    def ask(code):
        monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", read + code))
        return list(worker.compile_elsewhere(find_target("h100"), geometries=["U-Net"], methods=[]))

    expected = facts(calls=CALLS)
    reply = f"print(json.dumps({asdict(expected)!r}), flush=True); "
    assert ask(f"{reply}print('no driver', file=sys.stderr)") == [expected]
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError, match=r"for h100 ended with code 7:\na core was dumped"):
        ask(f"{reply}print('a core was dumped', file=sys.stderr); sys.exit(7)")
    # It has the request, and the variables that JAX reads when it is imported.
    with pytest.raises(InputError) as raised:
        ask("print(json.dumps({'error': json.dumps(request) + os.environ['JAX_PLATFORMS']}))")
    assert str(raised.value) == '{"target": "h100", "geometries": ["U-Net"], "methods": []}cpu'
