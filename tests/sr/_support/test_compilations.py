"""Compilations are kept for the next start, and never taken for a measurement."""

from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr.comparison.measure import compile_anew

PREFIX = "/jax/compilation_cache/"


@pytest.fixture
def restored_cache_settings():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


@pytest.mark.usefixtures("restored_cache_settings")
def test_compilations_are_kept_where_nothing_else_was_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    keep_compilations()
    assert jax.config.jax_compilation_cache_dir == "elsewhere"
    jax.config.update("jax_compilation_cache_dir", None)
    keep_compilations()
    assert Path(jax.config.jax_compilation_cache_dir).parent == tmp_path / "compiled"


@pytest.mark.usefixtures("restored_cache_settings")
def test_a_compilation_that_is_timed_is_neither_kept_nor_taken_from_there(tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    reset_cache()
    triple = jax.jit(lambda x: 3 * x)

    def compilations(of) -> set[str]:
        jax.clear_caches()
        events = set()

        def listener(event, **_):
            events.add(event.removeprefix(PREFIX))

        jax.monitoring.register_event_listener(listener)
        of()
        jax.monitoring.unregister_event_listener(listener)
        return events & {"cache_hits", "cache_misses"}

    def measured():
        compiled, seconds = compile_anew(lambda: triple.lower(1.0))
        assert float(compiled(2.0)) == 6
        assert seconds > 0

    def usual():
        triple.lower(1.0).compile()

    assert compilations(measured) == set()
    assert not list(tmp_path.iterdir())
    assert compilations(usual) == {"cache_misses"}
    assert list(tmp_path.iterdir())
    assert compilations(measured) == set()
    assert compilations(usual) == {"cache_hits"}
