"""The command `compile`: checks, compiles for every target, prints and returns the results."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.facts import Facts
from subpixel.sr.compile.packages import check_packages
from subpixel.sr.compile.tables import geometry_tables, network_tables
from subpixel.sr.compile.targets import Target, find_target
from subpixel.sr.compile.transposed import check_geometries
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
    targets, excesses = _targets(names), []
    for target in targets:
        check_batch(experiment, target.size, target.platform)
    results = _report(targets, network_tables, console, experiment=to_json(experiment))
    for target in targets:
        facts = [each for each in results if each.target == target.name]
        worst = max(facts, key=lambda each: each.excess)
        if worst.excess:
            excesses.append(
                f"{worst.program} of {worst.subject['upsampler']} needs "
                f"{worst.needed / 2**30:.1f} GiB on a device and {worst.target} has "
                f"{worst.memory / 2**30:.1f} GiB, so it does not fit by "
                f"{worst.excess / 2**30:.1f} GiB"
            )
    return {"config": to_json(experiment), **_written(results)}, excesses


def report_geometries(
    names: Sequence[str], only: Sequence[str], methods: Sequence[str], console: Console
) -> dict[str, Any]:
    """Compiles transposed convolutions by each method for one device of every named target.

    The arguments are those of `compile_geometries`.

    Returns:
      What `--json` writes.

    Raises:
      InputError: before anything is compiled, if a target, a geometry or a method is
        unknown, or the compiler of a target is not installed.
    """
    targets = _targets(names)
    check_geometries(only, methods)
    request = {"geometries": list(only), "methods": list(methods)}
    return _written(_report(targets, geometry_tables, console, **request))


def _targets(names: Sequence[str]) -> list[Target]:
    if not names:
        raise InputError("compile needs a target, such as --target=h100 or --target=v5e:4x4")
    targets = [find_target(name) for name in dict.fromkeys(names)]
    for target in targets:
        check_packages(target.platform)
    return targets


def _report(
    targets: Sequence[Target],
    tables: Callable[[Sequence[Facts]], list[Table]],
    console: Console,
    **request: Any,
) -> list[Facts]:
    results = []
    for target in targets:
        facts = []
        for each in compile_elsewhere(target, **request):
            facts.append(each)
            took = "refused" if each.compile_s is None else f"{each.compile_s:.1f} s"
            what = ", ".join(each.subject.values())
            console.print(f"{each.target}: {what}, {each.program}: {took}", style="dim")
        for table in tables(facts):
            console.print(table)
            console.print()
        results += facts
    return results


def _written(results: Sequence[Facts]) -> dict[str, Any]:
    packages = ("subpixel", "jax", "jaxlib", "flax")
    return {
        "versions": {package: version(package) for package in packages},
        "programs": [asdict(each) for each in results],
    }
