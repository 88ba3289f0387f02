"""A context in which transposed convolutions consist of JAX's own operations."""

from collections.abc import Iterator
from contextlib import contextmanager

from subpixel._compat import Context

_is_plain = Context("subpixel_plain", default=False)


@contextmanager
def plain() -> Iterator[None]:
    """Traces `conv_transpose`, and all layers that use it, without this library's primitive.

    Converters and transformations that know JAX's own operations only, such as jax2onnx and
    `jax.experimental.jet`, need such a trace. In it `method="auto"` is "native",
    `jax.lax.conv_transpose`'s own convolution, and derivatives are those that JAX makes of it.

    A function that was compiled outside this context is traced again inside it. JAX before 0.7
    keeps the first trace: there, enter the context before the first call.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from subpixel.ops import conv_transpose, plain
      >>> def upsample(x, kernel):
      ...     return conv_transpose(x, kernel, (2, 2), "SAME")
      >>> with plain():
      ...     jaxpr = jax.make_jaxpr(upsample)(jnp.ones((1, 5, 5, 3)), jnp.ones((4, 4, 3, 2)))
      >>> "conv_general_dilated" in str(jaxpr), "subpixel" in str(jaxpr)
      (True, False)
    """
    with _is_plain(True):
        yield


def is_plain() -> bool:
    """Returns whether a trace is inside `plain`."""
    return _is_plain.value
