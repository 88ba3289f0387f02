"""Trains an experiment, one upsampler or several; writes scores and a page into its workdir.

python train.py                                       runs configs/quickstart.py
python train.py --config=configs/espcn_x3_bsds.py     runs another config
python train.py --steps=5000 --data.batch_size=32     overrides any of its fields
python train.py --seeds 0 1 2                         runs it once per seed: mean and spread
"""

import sys

from subpixel.sr.cli._run import run_command
from subpixel.sr.cli.table import run_named


def main() -> int:
    return run_named("train", sys.argv[1:])


if __name__ == "__main__":
    run_command(main)
