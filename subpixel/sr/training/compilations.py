"""Compilations that are kept from one start to the next."""

import jax

from subpixel.sr.data.preparation import cache_root
from subpixel.sr.environment import processor


def keep_compilations() -> None:
    """Lets JAX keep what it compiled for the next start, unless it was told of a place already.

    The environment variable JAX_ENABLE_COMPILATION_CACHE=false turns it off.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        # Compiled code is for one kind of processor, and a home may be seen from several.
        folder = cache_root() / "compiled" / processor().replace("/", "-")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
