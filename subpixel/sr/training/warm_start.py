"""Initial parameters from a trained network."""

from dataclasses import replace

import jax
from flax import nnx

from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Params
from subpixel.sr.models.find import find_model
from subpixel.sr.serialization import differences


def check_warm_start(model: ModelConfig, start_from: str) -> None:
    """Checks that a network can start from a trained one; nothing is computed.

    Raises:
      InputError: as `warm_start` does.
    """
    shapes = nnx.to_pure_dict(nnx.state(model.build_abstract("subpixel")))
    warm_start(shapes, model, start_from)


def warm_start(params: Params, model: ModelConfig, start_from: str) -> Params:
    """Returns initial parameters from a trained network.

    Args:
      params: the parameters of the new network in the layout "subpixel". A trained network of
        another scale leaves those of the upsampler and its bias as they are.
      model: the config of the new network.
      start_from: the name of a trained network, as in `find_model`.

    Returns:
      Parameters in the layout "subpixel".

    Raises:
      InputError: if the trained network cannot be read, its layers have other shapes, or the two
        configs differ in what the parameters mean, such as the scale of the input.
    """
    trained = find_model(start_from)
    found = nnx.to_pure_dict(nnx.state(trained.build().with_upsampler("subpixel")))
    head = () if trained.config.scale == model.scale else ("upsampler", "bias")
    result = {**found, **{key: params[key] for key in head if key in params}}
    if jax.tree.map(_shape, result) != jax.tree.map(_shape, params):
        raise InputError(
            f"start_from: the layers of {start_from} have other shapes than the network's: give "
            "the weights of a network with the same layers"
        )
    # Scale, dtype and initial values change no parameter's meaning.
    alike = replace(
        trained.config,
        scale=model.scale,
        dtype=model.dtype,
        upsampler_init=model.upsampler_init,
    )
    changed = differences(alike, model)
    if changed:
        raise InputError(
            f"start_from: {start_from} computes another function than the network from the same "
            f"parameters (model.{'; model.'.join(changed)}): give these fields its values"
        )
    return result


def _shape(leaf: jax.Array | jax.ShapeDtypeStruct) -> tuple[int, ...]:
    return leaf.shape
