"""Measures PSNR and SSIM of a model on benchmarks.

python eval.py bicubic --scale=3 --benchmarks Set5 Set14
python eval.py runs/espcn_x3_bsds --scale=3 --benchmarks Set5 --json=figures.json
"""

import sys

from rich.console import Console

from subpixel.cli import parse_eval, run_command
from subpixel.data.sources import data_root, find_benchmarks
from subpixel.evaluation import Protocol, evaluate, figures_table
from subpixel.files import write_json
from subpixel.targets import load_target


def main() -> int:
    options = parse_eval(sys.argv[1:])
    root = data_root(options.data_root)
    benchmarks = find_benchmarks(options.benchmarks, root)
    upscaler, about = load_target(options.target, options.scale, options.upsampler, options.border)
    protocol = Protocol(options.scale, options.border)
    console = Console()
    figures = {}
    for name, pictures in benchmarks.items():
        with console.status(f"measuring {name}"):
            figures[name] = evaluate({"model": upscaler}, pictures, protocol)["model"]
    if options.json is not None:
        results = {name: result.to_json() for name, result in figures.items()}
        write_json(
            options.json, {"protocol": protocol.to_json(), "model": about, "results": results}
        )
    console.print(protocol.describe())
    title = ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
    console.print(figures_table(title, {about["name"]: figures}, list(benchmarks)))
    return 0


if __name__ == "__main__":
    run_command(main)
