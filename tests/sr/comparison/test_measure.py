"""The one timer, one compilation counter and one memory reading of comparison and benchmarks."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import report
from flax import nnx
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from race import Program, race
from rich.console import Console

from subpixel.sr._support.files import write_json
from subpixel.sr.comparison import measure, speed
from subpixel.sr.comparison.measure import compile_anew, time_interleaved
from subpixel.sr.config import DataConfig, ESPCNConfig, OptimizerConfig
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import init_state, start_training
from subpixel.sr.training.step import CompiledStep, compile_step, lower_step

MODEL = ESPCNConfig(scale=2, features=(3, 2), kernel_sizes=(3, 3, 3))
DATA = DataConfig(batch_size=2, patch_size=6)


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


def test_memory_that_is_not_known_is_null_in_json(tmp_path, capsys):
    class Compiled:
        def memory_analysis(self):
            return None

    unknown = measure.temporary_mib(Compiled())
    assert unknown is None
    program = Program(lambda: jnp.ones(()), 1.0, unknown)
    measured = race({"native": program, "subpixel": program}, None, 2)
    results = {"geometries": {"g": {"forward": measured, "gradients": measured}}}
    write_json(tmp_path / "bench.json", results)
    text = (tmp_path / "bench.json").read_text()
    assert "NaN" not in text
    stored = json.loads(text)["geometries"]["g"]["forward"]["subpixel"]
    assert stored["temp_mib"] is None
    assert stored["median_ms"] > 0
    report.show(results, Console(width=200))
    assert "? / ?" in capsys.readouterr().out


def test_numbers_that_are_not_finite_become_null(tmp_path):
    write_json(tmp_path / "f.json", {"a": [float("nan"), np.float64("inf")], "b": 1.5})
    assert json.loads((tmp_path / "f.json").read_text()) == {"a": [None, None], "b": 1.5}


def test_every_measured_compilation_traces_and_compiles():
    optimizer = OptimizerConfig()
    transform = make_optimizer(optimizer, 1000)
    graph, state = init_state(MODEL, "subpixel", transform, 0)
    batch = speed.noise_batch(MODEL, DATA, 0)
    seen = []

    def listener(event, _, **__):
        seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        for _ in range(2):
            compile_anew(
                lambda: lower_step(optimizer, graph, state, transform, batch, platform="cpu")
            )
            assert sum("backend_compile" in event for event in seen) == 1
            assert any("jaxpr_trace" in event for event in seen)
            seen.clear()
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)


def test_a_comparison_leaves_the_callers_programs_compiled(monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", 1)
    traces = []

    @jax.jit
    def callers(x):
        traces.append(x)
        return x + 1

    callers(1.0)
    measured = speed.measure_speed(("subpixel",), MODEL, OptimizerConfig(), DATA, 1000, 0)
    callers(1.0)
    assert len(traces) == 1
    entry = measured["subpixel"]
    assert set(entry.quartiles) == {"forward_ms", "gradient_ms", "train_step_ms"}
    assert min(entry.compile_s, entry.gradient_ms, entry.train_step_ms) > 0
    params = init_state(MODEL, "subpixel", make_optimizer(OptimizerConfig(), 1000), 0)[1].params
    assert entry.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_a_step_that_is_compiled_is_not_compiled_again(monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", 1)
    compiled = []
    real = speed.compile_anew
    monkeypatch.setattr(speed, "compile_anew", lambda *of: compiled.append(of) or real(*of))
    optimizer, batch = OptimizerConfig(), speed.noise_batch(MODEL, DATA, 0)
    transform, graph, state = start_training(MODEL, optimizer, 1000, "conv_transpose", 0)
    given = compile_step(optimizer, graph, state, transform, batch, platform="cpu")
    upsamplers = ("subpixel", "conv_transpose")
    for seconds, count in ((1.5, 2), (None, 3)):
        compiled.clear()
        steps = {"conv_transpose": CompiledStep(given.program, seconds)}
        costs = speed.measure_speed(upsamplers, MODEL, optimizer, DATA, 1000, 0, steps)
        # "subpixel" and the fast form; a program from the cache is compiled again for its time.
        assert len(compiled) == count
        assert costs["conv_transpose"].compile_s == seconds or seconds is None
        assert costs["conv_transpose"].compile_s > 0
    assert list(costs) == ["subpixel", "conv_transpose", speed.FAST]
    assert costs[speed.FAST].gflop_executed == costs["conv_transpose"].gflop_executed


def test_a_program_from_the_cache_has_no_compile_time(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    reset_cache()
    try:
        optimizer, batch = OptimizerConfig(), speed.noise_batch(MODEL, DATA, 0)
        transform, graph, state = start_training(MODEL, optimizer, 1000, "subpixel", 0)
        steps = [
            compile_step(optimizer, graph, state, transform, batch, platform="cpu")
            for _ in range(2)
        ]
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
    transform = make_optimizer(OptimizerConfig(), 1000)
    graph, state = init_state(MODEL, "subpixel", transform, 0)
    batch = speed.noise_batch(MODEL, DATA, 0)
    x, target = (jnp.float32(batch[key]) / 255 for key in ("lr", "hr"))
    forward, gradient = speed._passes(graph, loss, target)
    error = np.asarray(forward(state.params, x)) - np.asarray(target)
    expected = {
        "mse": np.mean(error**2),
        "l1": np.mean(np.abs(error)),
        "charbonnier": np.mean(np.sqrt(error**2 + 1e-6)),
    }[loss]
    value, (params, of_input) = gradient(state.params, x)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert of_input.shape == x.shape
    assert jax.tree.structure(params) == jax.tree.structure(state.params)
