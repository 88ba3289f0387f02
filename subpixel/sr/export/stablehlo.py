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


def stablehlo_bytes(network: Network, uint8: bool = False) -> bytes:
    """Returns the serialized program: (n, h, w, channels) -> (n, r*h, r*w, channels).

    With `uint8`, input and output are uint8 in 0..255, the output clipped and rounded halves up,
    instead of float32 in 0..1.
    """
    graph, state = nnx.split(network)
    params = nnx.to_pure_dict(state)

    def run(x: jax.Array) -> jax.Array:
        model = nnx.merge(graph, params)
        if not uint8:
            return model(x)
        y = model(x.astype(jnp.float32) / 255) * 255
        return jnp.floor(jnp.clip(y, 0, 255) + 0.5).astype(jnp.uint8)

    n, h, w = export.symbolic_shape("n, h, w")
    dtype = jnp.uint8 if uint8 else jnp.float32
    image = jax.ShapeDtypeStruct((n, h, w, network.channels), dtype)
    return bytes(export.export(jax.jit(run), platforms=PLATFORMS)(image).serialize())
