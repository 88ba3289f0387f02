"""Joins scores and costs of upsamplers into one comparison."""

from collections.abc import Mapping
from typing import Any

from subpixel.sr._support.environment import environment
from subpixel.sr.comparison.result import (
    Comparison,
    Cost,
    ModelScores,
    UpsamplerResult,
    psnr_spread,
)
from subpixel.sr.evaluation import Protocol, Scores


def compare(
    name: str,
    protocol: Protocol,
    scores: Mapping[str, Mapping[str, Scores]],
    costs: Mapping[str, Cost],
    settings: Mapping[str, Any],
    protocol_line: str = "",
) -> Comparison:
    """Returns the comparison of networks that differ in their upsampler.

    Args:
      name: of the experiment.
      protocol: how the scores were measured.
      scores: by benchmark, then by "bicubic" or upsampler.
      costs: of each upsampler.
      settings: of the training.
      protocol_line: the protocol in words, if benchmarks differ in it.
    """

    def scores_of(model: str) -> ModelScores:
        return ModelScores.from_scores({b: by_model[model] for b, by_model in scores.items()})

    of_upsampler = {name: scores_of(name) for name in costs}
    return Comparison(
        name=name,
        scale=protocol.scale,
        upsamplers={
            name: UpsamplerResult(of_upsampler[name], cost) for name, cost in costs.items()
        },
        bicubic=scores_of("bicubic"),
        psnr_spread_db=psnr_spread(of_upsampler),
        protocol=protocol.to_json(protocol_line),
        settings=settings,
        environment=environment(),
    )
