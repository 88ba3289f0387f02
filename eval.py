"""Measures PSNR and SSIM of a model on benchmarks.

python eval.py bicubic --scale=3 --benchmarks Set5 Set14
python eval.py runs/espcn_x3_bsds --scale=3 --benchmarks Set5 --json=figures.json
"""

import sys

from rich.console import Console

from subpixel.sr.commands.cli import parse_eval, run_command
from subpixel.sr.commands.evaluate import measure


def main() -> int:
    return measure(parse_eval(sys.argv[1:]), Console())


if __name__ == "__main__":
    run_command(main)
