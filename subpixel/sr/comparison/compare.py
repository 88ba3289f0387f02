"""Joins scores, costs and conversions of upsamplers into one comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import nnx
from rich.table import Table

from subpixel.image import rgb_to_luma
from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr._support.environment import environment
from subpixel.sr.comparison.result import (
    Comparison,
    Conversion,
    Cost,
    ModelScores,
    Number,
    UpsamplerResult,
    psnr_spread,
)
from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate
from subpixel.sr.inference.upscaler import NetworkUpscaler, forward


def compare(
    name: str,
    protocol: Protocol,
    scores: Mapping[str, Mapping[str, Scores]],
    costs: Mapping[str, Cost],
    settings: Mapping[str, Any],
    protocol_line: str,
    conversions: Mapping[str, Conversion],
) -> Comparison:
    """Returns the comparison of networks that differ in their upsampler.

    The scores are by benchmark, then by "bicubic" or upsampler.
    """

    def of_model(model: str) -> dict[str, Scores]:
        return {benchmark: by_model[model] for benchmark, by_model in scores.items()}

    upsamplers = {
        name: UpsamplerResult.from_scores(
            of_model(name), conversion=conversions.get(name), **vars(cost)
        )
        for name, cost in costs.items()
    }
    return Comparison(
        name=name,
        scale=protocol.scale,
        upsamplers=upsamplers,
        bicubic=ModelScores.from_scores(of_model("bicubic")),
        psnr_spread_db=psnr_spread(upsamplers),
        protocol=protocol.to_json(protocol_line),
        settings=dict(settings),
        environment=environment(),
    )


def measure_conversion(
    trained: NetworkUpscaler,
    layout: Layout,
    scores: Scores,
    benchmark: str,
    images: Sequence[Pair],
    protocol: Protocol,
) -> Conversion:
    """Converts a trained network to the two other layouts and compares PSNR and pixels."""
    others: dict[str, NetworkUpscaler] = {}
    for other in LAYOUTS:
        if other != layout:
            graph, params = nnx.split(trained.network.with_upsampler(other))
            others[other] = NetworkUpscaler(graph, nnx.to_pure_dict(params))
    converted = evaluate({**others}, images, protocol)
    psnr = max(
        abs(of.psnr[name] - scores.psnr[name]) for of in converted.values() for name in of.psnr
    )
    pixels = 0.0
    for image in images:
        lr = load_pair(image, protocol.scale, protocol.degradation)[0]
        x = (rgb_to_luma(lr) if trained.channels == 1 else lr)[None] / np.float32(255)
        own = forward(trained.graph, trained.params, x)
        for other in others.values():
            error = np.abs(forward(other.graph, other.params, x) - own)
            pixels = max(pixels, float(error.max()))
    return Conversion(benchmark, psnr, pixels)


def cost_table(costs: Mapping[str, Cost]) -> Table:
    """Returns the console's table of times, work and memory of each upsampler."""
    table = Table(
        title="speed: medians, interleaved, on a training batch",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for heading in (
        "step\nms", "", "gradient\nms", "forward\nms", "compile\ns",
        "useful\nGFLOP", "executed\nGFLOP", "temporary\nMiB",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    steps = [cost.train_step_ms for cost in costs.values() if cost.train_step_ms is not None]
    for name, cost in costs.items():
        step = cost.train_step_ms
        table.add_row(
            name,
            _fixed(step, 1),
            "" if step is None else f"{step / min(steps):.1f}x",
            _fixed(cost.gradient_ms, 1),
            _fixed(cost.forward_ms, 1),
            _fixed(cost.compile_s, 2),
            _fixed(cost.gflop_useful, 2),
            _fixed(cost.gflop_executed, 2),
            _fixed(cost.temp_mib, 1),
        )
    return table


def _fixed(value: Number, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
