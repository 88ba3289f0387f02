"""JAX's persistent compilation cache."""

import jax

from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.environment import processor


def keep_compilations() -> None:
    """Keeps compiled programs in the user's cache folder, unless JAX already has a folder for them.

    The environment variable JAX_ENABLE_COMPILATION_CACHE=false turns the cache off.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        # Compiled code is for one kind of processor; several kinds may share a home folder.
        folder = cache_root() / "compiled" / processor().replace("/", "-")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
