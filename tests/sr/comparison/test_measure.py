"""The one timer, one compilation counter and one memory reading of comparison and benchmarks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from subpixel.sr.comparison import measure, speed
from subpixel.sr.comparison.measure import compile_anew, time_interleaved
from subpixel.sr.config import DataConfig, ESPCNConfig
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import CompiledStep, compile_step, lower_step

MODEL = ESPCNConfig(scale=2, features=(3, 2), kernel_sizes=(3, 3, 3))
DATA = DataConfig(batch_size=2, patch_size=6)
CONFIG = TrainingConfig(model=MODEL, data=DATA, upsamplers=("subpixel", "conv_transpose"))
BATCH = speed.noise_batch(MODEL, DATA, 0)


def start(upsampler="subpixel"):
    return start_training(CONFIG, upsampler)


def test_calls_are_interleaved_and_the_mean_of_repeated_calls_counts(monkeypatch):
    monkeypatch.setattr(measure, "PAUSE_S", 0.0)
    clock = iter(range(1000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: 3e-3 * next(clock))
    monkeypatch.setattr(measure.time, "process_time", lambda: 5e-3 * next(clock))
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}

    def elsewhere():
        calls.append("c")
        return {"c": 7.0 * calls.count("c")}

    times = time_interleaved(functions, 3, warmup=1, repeat=2, elsewhere=elsewhere)
    # Each block of repeated calls is preceded by one that is not timed.
    assert "".join(calls) == "ab" + 3 * "aaabbbc"
    # The clocks are read in the order wall, cpu, wall, cpu: two ticks apart, over two calls.
    assert times["a"].wall == pytest.approx((3.0,) * 3)
    assert times["b"].cpu == pytest.approx((5.0,) * 3)
    assert times["c"].wall == (7.0, 14.0, 21.0)
    assert (times["c"].median, times["c"].quartiles) == (14.0, (10.5, 17.5))
    assert times["c"].cpu_median is None


def test_every_measured_compilation_traces_and_compiles():
    seen = []

    def listener(event, _, **__):
        seen.append(event)

    beginning = start()
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        for _ in range(2):
            compile_anew(lambda: lower_step(beginning, BATCH, platform="cpu"))
            assert sum("backend_compile" in event for event in seen) == 1
            assert any("jaxpr_trace" in event for event in seen)
            seen.clear()
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)


def test_steps_that_are_compiled_are_neither_lost_nor_compiled_again(monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", 1)
    compiled, traces = [], []
    real = speed.compile_anew
    monkeypatch.setattr(speed, "compile_anew", lambda *of: compiled.append(of) or real(*of))

    @jax.jit
    def callers(x):
        traces.append(x)
        return x + 1

    callers(1.0)
    given = compile_step(start("conv_transpose"), BATCH, platform="cpu")
    for seconds, count in ((1.5, 2), (None, 3)):
        compiled.clear()
        steps = {"conv_transpose": CompiledStep(given.program, seconds)}
        costs = speed.measure_speed(CONFIG, steps)
        # "subpixel" and the fast form; a program from the cache is compiled again for its time.
        assert len(compiled) == count
        assert costs["conv_transpose"].compile_s == seconds or seconds is None
        assert costs["conv_transpose"].compile_s > 0
    callers(1.0)
    assert len(traces) == 1
    assert list(costs) == ["subpixel", "conv_transpose", speed.FAST]
    assert costs[speed.FAST].gflop_executed == costs["conv_transpose"].gflop_executed
    entry = costs["subpixel"]
    assert set(entry.quartiles) == {"forward_ms", "gradient_ms", "train_step_ms"}
    assert min(entry.compile_s, entry.gradient_ms, entry.train_step_ms) > 0
    assert entry.parameters == sum(leaf.size for leaf in jax.tree.leaves(start().state.params))


def test_a_program_from_the_cache_has_no_compile_time(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    reset_cache()
    try:
        steps = [compile_step(start(), BATCH, platform="cpu") for _ in range(2)]
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        reset_cache()
    assert steps[0].compile_s > 0
    assert steps[1].compile_s is None


def test_the_fast_upsampler_is_the_same_function_of_the_same_parameters():
    network = MODEL.build("conv_transpose", 0)
    graph, params = nnx.split(network)
    x = np.random.default_rng(0).random((2, 7, 5, 1), np.float32)
    fast = nnx.merge(speed.with_fast_upsampler(graph, params), params)
    assert (network.upsampler.method, fast.upsampler.method) == ("native", "auto")
    np.testing.assert_allclose(fast(x), network(x), atol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "l1", "charbonnier"])
def test_the_gradient_is_that_of_the_configured_loss(loss):
    beginning = start()
    x, target = (jnp.float32(BATCH[key]) / 255 for key in ("lr", "hr"))
    forward, gradient = speed._passes(beginning.graph, loss, target)
    params = beginning.state.params
    error = np.asarray(forward(params, x)) - np.asarray(target)
    expected = {
        "mse": np.mean(error**2),
        "l1": np.mean(np.abs(error)),
        "charbonnier": np.mean(np.sqrt(error**2 + 1e-6)),
    }[loss]
    value, (by_params, by_input) = gradient(params, x)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert by_input.shape == x.shape
    assert jax.tree.structure(by_params) == jax.tree.structure(params)
