"""Trains an experiment, one upsampler or several; writes scores and a page into its workdir.

python train.py                                       runs configs/quickstart.py
python train.py --config=configs/espcn_x3_bsds.py     runs another config
python train.py --steps=5000 --data.batch_size=32     overrides any of its fields
python train.py --seeds 0 1 2                         runs it once per seed: mean and spread
"""

import sys
from pathlib import Path

from subpixel.sr.commands.cli import parse_train, run_command
from subpixel.sr.console import make_console
from subpixel.sr.data.sources import data_root
from subpixel.sr.experiment import run
from subpixel.sr.sweep import run_sweep
from subpixel.sr.training.compilations import keep_compilations
from subpixel.sr.training.parallel import is_first, processes


def main() -> int:
    options = parse_train(sys.argv[1:])
    experiment, root = options.experiment, data_root(options.data_root)
    workdir = options.workdir or Path("runs") / experiment.name
    keep_compilations()
    with processes(options.coordinator, options.process, options.wait):
        console = make_console(quiet=not is_first())
        if options.seeds:
            return run_sweep(experiment, options.seeds, workdir, root, console, options.profile)
        return run(experiment, workdir, root, console, options.profile)


if __name__ == "__main__":
    run_command(main)
