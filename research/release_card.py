"""The model card of a released model, as Markdown."""

from pathlib import Path
from typing import Any

import jinja2

from subpixel.sr.data.catalogue import SETS
from subpixel.sr.models import ESPCNConfig, ModelConfig, SRCNNConfig
from subpixel.sr.models.released import Release
from subpixel.sr.serialization import flatten

# The settings that a repeated training needs; NAME.json has the whole config.
RECIPE = (
    "steps",
    "seed",
    "data.batch_size",
    "data.patch_size",
    "data.augment",
    "data.shrink",
    "data.sampling",
    "optimizer.name",
    "optimizer.learning_rate",
    "optimizer.warmup_steps",
    "optimizer.schedule",
    "optimizer.loss",
    "optimizer.ema_decay",
    "start_from",
)
PACKAGES = ("subpixel", "jax", "jaxlib", "flax", "optax", "numpy")


def render_card(release: Release) -> str:
    """Returns the card as Markdown. Its Python example runs as a doctest."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    config = flatten(release.experiment)
    return environment.get_template("card.md.jinja").render(
        release=release,
        scale=release.model.scale,
        channels=release.model.channels,
        remarks=_remarks(release.model),
        rows=_score_rows(release),
        data=[(source, *_about(source)) for source in release.training_data],
        network={k: v for k, v in flatten(release.experiment["model"]).items() if v is not None},
        recipe={key: config[key] for key in RECIPE if config.get(key) is not None},
        excluded=release.experiment["data"]["exclude"],
        minutes=release.settings["train_seconds"][release.upsampler] / 60,
        versions=[f"{name} {release.environment[name]}" for name in PACKAGES],
    )


def _remarks(model: ModelConfig) -> list[str]:
    """Returns the differences from the paper's network."""
    if model.network not in ("espcn", "srcnn"):
        return []
    remarks = []
    if isinstance(model, SRCNNConfig):
        remarks.append("The image is padded with zeros at high resolution; the paper's shrinks.")
    if (model.input_mean, model.input_scale) != (0, 1):
        remarks.append("The input is centred and scaled; the paper's is not.")
    if isinstance(model, SRCNNConfig) and model.residual:
        remarks.append("The output is added to the bicubic enlargement; the paper's is not.")
    elif isinstance(model, ESPCNConfig) and model.residual:
        remarks.append(
            "The output is added to the nearest-neighbour enlargement of the input; the paper's "
            "is not. This costs no parameter."
        )
    return remarks


def _score_rows(release: Release) -> list[dict[str, Any]]:
    return [
        {"benchmark": name, "network": score, "bicubic": release.bicubic[name]}
        for name, score in release.scores.items()
    ]


def _about(source: str) -> tuple[str, str, str]:
    """Returns a description of a source, its terms and its page."""
    if source not in SETS:
        return "not one of the named sets", "not known", ""
    entry = SETS[source]
    return entry.about, entry.terms, entry.homepage
