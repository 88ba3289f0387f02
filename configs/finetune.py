"""Trains a released model further on your own photographs: a folder of images.

python train.py --config=configs/finetune.py --data.train folder:PATH

The network is that of the released model, and the learning rate a tenth of that of its training.
The record of step 0 in metrics.jsonl is the released model's score on your held-out photographs.
"""

from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig
from subpixel.sr.models.released import read_release

START = "plain_11x24_x3"

config = Experiment(
    name="finetune",
    upsamplers=("subpixel",),
    model=read_release(START).model,
    data=DataConfig(
        train=("folder:photos",),
        benchmarks=("embedded:test",),
        skip_small=True,  # thumbnails among the photographs are no error
        validation_images=2,
        patch_size=32,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-4, accumulation=4),
    start_from=START,
    steps=2_000,
)
