"""Measures PSNR and SSIM of a model on benchmarks.

python eval.py bicubic --scale=3 --benchmarks Set5 Set14
python eval.py runs/espcn_x3_bsds --scale=3 --benchmarks Set5 --json=scores.json
"""

import sys

from subpixel.sr.cli._run import run_command
from subpixel.sr.cli.table import run_named


def main() -> int:
    return run_named("evaluate", sys.argv[1:])


if __name__ == "__main__":
    run_command(main)
