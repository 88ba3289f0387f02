"""The three upsamplers at x3 on photographs that come with scikit-image: minutes, no download."""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="quickstart",
    upsamplers=("subpixel", "conv_transpose", "zero_insert"),
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=6.4, residual=True),
    data=DataConfig(
        train=("embedded:train",),
        benchmarks=("embedded:test",),
        validation_images=1,
    ),
    # The damping keeps the three trainings, which are one function, within thousandths of a dB.
    optimizer=OptimizerConfig(
        name="soap", learning_rate=5e-3, warmup_steps=50, ema_decay=0.99, damping=1e-4
    ),
    steps=800,
    log_every=50,
    validate_every=50,
    checkpoint_every=200,
)
