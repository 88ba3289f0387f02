"""Test images of the report: the largest and the smallest gain of each benchmark."""

from collections.abc import Iterator, Mapping, Sequence

from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.evaluation import Protocol, Scores
from subpixel.sr.inference.upscaler import Upscaler
from subpixel.sr.report.images import SourceImage as ReportImage


def select_images(
    upscalers: Mapping[str, Upscaler],
    benchmarks: Mapping[str, Sequence[Pair]],
    scores: Mapping[str, Mapping[str, Scores]],
    model: str,
    protocol: Protocol,
) -> Iterator[ReportImage]:
    """Yields two images of each benchmark: those whose PSNR gains most and least over bicubic.

    Args:
      upscalers: by name, "bicubic" among them.
      benchmarks: images of each benchmark.
      scores: scores of each benchmark, by the upscaler's name.
      model: name of the upscaler whose gain is compared.
      protocol: protocol that makes the LR images.
    """
    for benchmark, images in benchmarks.items():
        for image in _extremes(images, scores[benchmark], model):
            lr, original = load_pair(image, protocol.scale, protocol.degradation)
            views = {name: upscaler.rgb(lr) for name, upscaler in upscalers.items()}
            yield ReportImage(
                benchmark=benchmark,
                name=image.name,
                views={**views, "original": original},
                psnr={name: scores[benchmark][name].psnr[image.name] for name in upscalers},
            )


def _extremes(images: Sequence[Pair], scores: Mapping[str, Scores], model: str) -> list[Pair]:
    def gain(image: Pair) -> float:
        return scores[model].psnr[image.name] - scores["bicubic"].psnr[image.name]

    ranked = sorted(images, key=gain, reverse=True)
    return ranked[:1] + ranked[1:][-1:]
