"""A network as a StableHLO program, written by `jax.export`.

The file is `jax.export.Exported.serialize()`: StableHLO with symbolic batch, height and width,
lowered for several kinds of device, with the weights inside. `jax.export.deserialize` reads it.

Compatibility, as JAX promises it: a file is read by JAX releases of the following six months, and
by releases of the three weeks before its own. An .onnx file is the one to keep for longer.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import export

from subpixel.sr.models import Network

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def stablehlo_bytes(network: Network) -> bytes:
    """Returns the serialized program: (n, h, w, channels) -> (n, r*h, r*w, channels), in 0..1."""
    graph, state = nnx.split(network)
    params = nnx.to_pure_dict(state)

    def run(x: jax.Array) -> jax.Array:
        return nnx.merge(graph, params)(x)

    n, h, w = export.symbolic_shape("n, h, w")
    image = jax.ShapeDtypeStruct((n, h, w, network.channels), jnp.float32)
    return bytes(export.export(jax.jit(run), platforms=PLATFORMS)(image).serialize())
