"""The command `describe`."""

from subpixel.sr._support.console import make_console
from subpixel.sr.cli.train import Options
from subpixel.sr.comparison.description import describe_data, describe_upsampler
from subpixel.sr.data.pairs import data_root


def run(options: Options) -> int:
    """Prints layers, work and memory of every upsampler, and the sizes of the data sets."""
    console = make_console()
    for name in options.experiment.upsamplers:
        console.print(describe_upsampler(options.experiment, name))
    for line in describe_data(options.experiment, data_root(options.data_root)):
        console.print(line, soft_wrap=True)
    return 0
