"""The command `compile`: checks, compiles for every target, prints and returns the results."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.facts import Facts
from subpixel.sr.compile.packages import check_packages
from subpixel.sr.compile.tables import geometry_table, network_tables
from subpixel.sr.compile.targets import Target, find_target
from subpixel.sr.compile.transposed import DTYPES, check_geometries
from subpixel.sr.compile.worker import compile_elsewhere
from subpixel.sr.config import Experiment
from subpixel.sr.serialization import to_json
from subpixel.sr.training.step import check_batch


def report_networks(
    experiment: Experiment, names: Sequence[str], console: Console
) -> tuple[dict[str, Any], list[str]]:
    """Compiles step and forward pass of every upsampler of a config for every named target.

    Returns:
      What `--json` writes, and a line for each target whose memory a program exceeds.

    Raises:
      InputError: before anything is compiled, if a target is unknown, its compiler is not
        installed, or its devices cannot divide the batch.
    """
    targets = _targets(names)
    for target in targets:
        check_batch(experiment, target.size, target.platform)
    results, excesses = [], []
    for target in targets:
        facts = _shown(compile_elsewhere(target, experiment=to_json(experiment)), console)
        for table in network_tables(facts):
            console.print(table)
            console.print()
        results += facts
        excesses += _excess(facts)
    return {"config": to_json(experiment), **_written(results)}, excesses


def report_geometries(
    names: Sequence[str], only: Sequence[str], methods: Sequence[str], console: Console
) -> dict[str, Any]:
    """Compiles transposed convolutions by each method for one device of every named target.

    Args: as in `compile_geometries`.

    Returns:
      What `--json` writes.

    Raises:
      InputError: before anything is compiled, if a target, a geometry or a method is
        unknown, or the compiler of a target is not installed.
    """
    targets = _targets(names)
    check_geometries(only, methods)
    results = []
    for target in targets:
        request = {"geometries": list(only), "methods": list(methods)}
        facts = _shown(compile_elsewhere(target, **request), console)
        for dtype in DTYPES:
            group = [each for each in facts if each.subject["dtype"] == dtype]
            console.print(geometry_table(group))
            console.print()
        results += facts
    return _written(results)


def _targets(names: Sequence[str]) -> list[Target]:
    if not names:
        raise InputError("compile needs a target, such as --target=h100 or --target=v5e:4x4")
    targets = [find_target(name) for name in dict.fromkeys(names)]
    for target in targets:
        check_packages(target.platform)
    return targets


def _shown(facts: Iterator[Facts], console: Console) -> list[Facts]:
    listed = []
    for each in facts:
        listed.append(each)
        took = "refused" if each.compile_s is None else f"{each.compile_s:.1f} s"
        what = ", ".join(each.subject.values())
        console.print(f"{each.target}: {what}, {each.program}: {took}", style="dim")
    return listed


def _excess(facts: Sequence[Facts]) -> list[str]:
    """Returns one line about the program that exceeds a target's memory most, if there is one."""
    worst = max(facts, key=lambda each: each.excess)
    if not worst.excess:
        return []
    return [
        f"{worst.program} of {worst.subject['upsampler']} needs {worst.needed / 2**30:.1f} GiB on "
        f"a device and {worst.target} has {worst.memory / 2**30:.1f} GiB, so it does not fit by "
        f"{worst.excess / 2**30:.1f} GiB"
    ]


def _written(results: Sequence[Facts]) -> dict[str, Any]:
    packages = ("subpixel", "jax", "jaxlib", "flax")
    return {
        "versions": {package: version(package) for package in packages},
        "programs": [asdict(each) for each in results],
    }
