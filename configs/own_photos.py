"""Trains a network on your own photographs: a folder of images, at least a few dozen.

python train.py --config=configs/own_photos.py --data.train folder:PATH

Photographs should be sharp and little compressed: what LR is made of is what the network learns to
restore. Large ones are worth more than many, since patches are cut at random places. It measures
on photographs that come with scikit-image; `--data.benchmarks` names other folders, which must not
hold a training image.
"""

from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig, PlainConfig

config = Experiment(
    name="own_photos",
    upsamplers=("subpixel",),
    model=PlainConfig(
        scale=3, depth=6, width=24, activation="prelu", input_mean=0.45, input_scale=6.4
    ),
    data=DataConfig(
        train=("folder:photos",),
        benchmarks=("embedded:test",),
        skip_small=True,  # thumbnails among the photographs are no error
        validation_images=2,
        patch_size=32,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-3, accumulation=4),
    steps=5_000,
)
