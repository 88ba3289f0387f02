"""Prints the tables of evidence.md as Markdown: python research/evidence_page.py."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from equivalence import compare_paired, largest_spread

RESULTS = Path(__file__).parent / "results"

UPSAMPLER_CELLS = [f"{network}_x{scale}" for network in ("espcn", "fsrcnn") for scale in (2, 3, 4)]
INIT_CELLS = ["init_icnr", "init_independent"]
COST_PAIRS = [(f"cost_srcnn_{name}", f"cost_lr_{name}") for name in ("small", "large", "soap")]
# PSNR of the paper by benchmark: table 1 of arXiv 1609.05158.
PAPER = {"Set5": 32.55, "Set14": 29.08, "B100": 28.26}
PAPER_RUNS = ["evidence_t91", "evidence_291"]

Result = dict[str, Any]


def read_cell(name: str) -> Result | None:
    """Returns the result of a cell, or None if it has none."""
    path = RESULTS / "evidence" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def equal_cost_pairs() -> list[tuple[Result, Result]]:
    """Returns the cells of equal cost that both have a result: high and low resolution."""
    return [
        (high, low)
        for names in COST_PAIRS
        if (high := read_cell(names[0])) and (low := read_cell(names[1]))
    ]


def psnr_of(cell: Result, benchmark: str) -> dict[str, list[float]]:
    """Returns the PSNR of each seed, by upsampler."""
    return {name: of["psnr"][benchmark] for name, of in cell["upsamplers"].items()}


def spread_rows(name: str, cell: Result) -> Iterable[list[str]]:
    """Yields a row for each benchmark: the upsamplers' spread against the seeds'."""
    for benchmark in cell["bicubic"]:
        psnr = psnr_of(cell, benchmark)
        reference = psnr["subpixel"]
        tests = [compare_paired(reference, of) for key, of in psnr.items() if key != "subpixel"]
        between, seeds = largest_spread(list(psnr.values()))
        verdicts = dict.fromkeys(test.verdict for test in tests)
        yield [
            name,
            benchmark,
            *(f"{np.mean(of):.4f} ± {np.std(of, ddof=1):.4f}" for of in psnr.values()),
            f"{between:.1e}",
            f"{seeds:.3f}",
            ", ".join(f"{test.paired_p:.2f}" for test in tests),
            ", ".join(f"{test.tost_p:.0e}" for test in tests),
            ", ".join(verdicts),
        ]


def step_ms(cell: Result, entry: Result) -> float:
    """Returns the milliseconds of a training step: the seed whose training was fastest."""
    return 1000 * min(entry["train_seconds"]) / cell["config"]["steps"]


def cost_rows(name: str, cell: Result) -> Iterable[list[str]]:
    """Yields a row: work and times of each upsampler."""
    of = list(cell["upsamplers"].values())
    work = [entry["multiply_adds_per_output_pixel"]["executed"] for entry in of]
    yield [
        name,
        str(cell["config"]["steps"]),
        " / ".join(f"{value:,.0f}" for value in work),
        " / ".join(f"{step_ms(cell, entry):.0f}" for entry in of),
    ]


def init_rows(name: str, cell: Result, icnr: Result) -> Iterable[list[str]]:
    """Yields a row for each upsampler: dB and checkerboard energy at the start and the end."""
    (reference,) = icnr["upsamplers"].values()
    for upsampler, of in cell["upsamplers"].items():
        test = compare_paired(reference["psnr"]["Set14"], of["psnr"]["Set14"])
        yield [
            name.removeprefix("init_"),
            upsampler,
            *(
                f"{np.mean(of['validation_psnr'][when]):.2f} ± "
                f"{np.std(of['validation_psnr'][when], ddof=1):.2f}"
                for when in ("start", "end")
            ),
            *(
                f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
                for values in of["psnr"].values()
            ),
            "" if of is reference else f"{test.mean:+.2f}, {test.paired_p:.2f}",
            *(
                _energy(of[energy][when])
                for energy in ("flat_energy", "image_energy")
                for when in ("start", "end")
            ),
        ]


def _energy(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    return f"{mean:.2g}" if mean < 1 else f"{mean:,.1f}"


def equal_cost_rows(high: Result, low: Result) -> Iterable[list[str]]:
    """Yields a row for each benchmark: high against low resolution at equal cost."""
    (first,), (second,) = (cell["upsamplers"].values() for cell in (high, low))
    for benchmark in high["bicubic"]:
        test = compare_paired(first["psnr"][benchmark], second["psnr"][benchmark])
        yield [
            f"{high['config']['optimizer']['name']}, {high['config']['steps']:,}",
            " / ".join(
                f"{of['multiply_adds_per_output_pixel']['useful']:,.0f}" for of in (first, second)
            ),
            " / ".join(f"{of['parameters']:,}" for of in (first, second)),
            f"{step_ms(high, first):.0f} / {step_ms(low, second):.0f}",
            benchmark,
            f"{high['bicubic'][benchmark]:.2f}",
            *(
                f"{np.mean(of['psnr'][benchmark]):.3f} ± "
                f"{np.std(of['psnr'][benchmark], ddof=1):.3f}"
                for of in (first, second)
            ),
            f"{test.mean:+.3f}",
            f"{test.paired_p:.2g}",
            test.verdict,
        ]


def paper_rows(name: str) -> Iterable[list[str]]:
    """Yields the row of a training on the paper's data, if it is finished."""
    path = RESULTS / name / "comparison.json"
    if path.exists():
        scores = json.loads(path.read_text())["upsamplers"]["subpixel"]["psnr"]
        config = json.loads(path.with_name("config.json").read_text())
        psnr = {benchmark: scores[benchmark] for benchmark in PAPER}
        yield [
            ", ".join(config["data"]["train"]),
            f"{config['steps']:,}",
            " / ".join(f"{value:.2f}" for value in psnr.values()),
            " / ".join(f"{psnr[key] - value:+.2f}" for key, value in PAPER.items()),
        ]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables() -> list[str]:
    """Returns the tables of the page that have rows."""
    upsamplers = {name: cell for name in UPSAMPLER_CELLS if (cell := read_cell(name))}
    inits = {name: cell for name in INIT_CELLS if (cell := read_cell(name))}
    pairs = equal_cost_pairs()
    listed = [
        (
            ["cell", "benchmark", "subpixel", "conv_transpose", "zero_insert",
             "spread between upsamplers", "spread between seeds", "p, t test", "p, TOST",
             "verdict"],
            [row for item in upsamplers.items() for row in spread_rows(*item)],
        ),
        (
            ["cell", "steps", "multiply-adds per output pixel", "training step, ms"],
            [row for item in upsamplers.items() for row in cost_rows(*item)],
        ),
        (
            ["initialisation", "upsampler", "held out, start", "held out, end", "Set5", "Set14",
             "Set14 against icnr, p",
             "flat, start", "flat, end", "images, start", "images, end"],
            [row for item in inits.items() for row in init_rows(*item, inits["init_icnr"])],
        ),
        (
            ["optimiser, steps", "multiply-adds per output pixel", "parameters",
             "training step, ms", "benchmark", "bicubic", "high resolution", "low resolution",
             "difference", "p, t test", "verdict"],
            [row for pair in pairs for row in equal_cost_rows(*pair)],
        ),
        (
            ["trained on", "steps", "Set5 / Set14 / B100", "against the paper"],
            [row for name in PAPER_RUNS for row in paper_rows(name)],
        ),
    ]  # fmt: skip
    return [table(headings, rows) for headings, rows in listed if rows]


def main() -> None:
    """Prints the tables."""
    print(*tables(), sep="\n\n")


if __name__ == "__main__":
    main()
