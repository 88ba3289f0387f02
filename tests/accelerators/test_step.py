"""The training step of networks as the compilers for GPUs and TPUs see it."""

import functools
import math

import pytest

from subpixel.sr.comparison.speed import FAST
from subpixel.sr.compile import reading
from subpixel.sr.compile.networks import compile_step, useful_work
from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig, PlainConfig

NETWORKS = {
    "espcn": ESPCNConfig(scale=3),
    "plain": PlainConfig(scale=3, depth=4),
    "small": PlainConfig(scale=2, depth=2, width=8),
}
GPU_NETWORKS = ("espcn", "plain")
PATCH = 32


def experiment(network: str, optimizer: str = "adam", batch_size: int = 64) -> Experiment:
    return Experiment(
        name="test",
        model=NETWORKS[network],
        data=DataConfig(batch_size=batch_size, patch_size=PATCH),
        optimizer=OptimizerConfig(name=optimizer),
    )


@functools.cache
def step(network, target, optimizer="adam", batch_size=64, upsampler="subpixel"):
    """The compiled step; several tests look at the same one."""
    return compile_step(experiment(network, optimizer, batch_size), upsampler, target)


def convolutions(network: str) -> int:
    return sum(layer.useful > 0 for layer in NETWORKS[network].layers("subpixel"))


def parameters(network: str) -> int:
    return sum(layer.parameters for layer in NETWORKS[network].layers("subpixel"))


def activations(network: str) -> int:
    """Bytes of the outputs of all layers for 64 patches."""
    shape = (64, PATCH, PATCH, 1)
    layers = NETWORKS[network].layers("subpixel")
    return sum(4 * math.prod(layer.output(shape)) for layer in layers)


def assert_one_call_per_result(program, network: str) -> None:
    """Each layer is one convolution and its two gradients; the input of the first has none.

    A CPU would divide such a batch into parts for its cache.
    """
    count = convolutions(network)
    counts = reading.count_kinds(program.calls)
    # A gradient of a kernel may be spelt as a convolution whose kernel is the image.
    assert counts[reading.FORWARD] == count
    assert counts[reading.BACKWARD_FILTER] == count
    assert counts[reading.BACKWARD_INPUT] == count - 1
    assert "convolution" not in counts
    assert not reading.zero_insertions(program.module)


def assert_one_sum(program, network: str) -> None:
    """Between the devices, only the loss and each gradient are summed, each of them once."""
    found = reading.collectives(program.module)
    assert set(found) == {"all-reduce"}
    count, size = found["all-reduce"]
    assert count <= 4
    assert size == 4 * (parameters(network) + 1)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize("network", GPU_NETWORKS)
def test_the_step_of_subpixel_on_a_gpu_executes_the_useful_products(h100, network, optimizer):
    program = step(network, h100, optimizer)
    assert_one_call_per_result(program, network)
    executed = sum(
        call.multiply_adds for call in program.calls if call.kind != reading.MATRIX_PRODUCT
    )
    assert executed == useful_work(experiment(network), "subpixel", h100)[1]
    assert not reading.collectives(program.module)


@pytest.mark.parametrize("network", GPU_NETWORKS)
def test_the_step_of_subpixel_keeps_little_more_than_its_activations(h100, network):
    program = step(network, h100)
    assert program.memory.temporaries < 2 * activations(network)


def test_jax_s_transposed_convolution_executes_more_and_needs_more_memory(h100):
    native = step("espcn", h100, upsampler="conv_transpose")
    subpixel = step("espcn", h100)
    assert reading.zero_insertions(native.module)
    executed, useful = (
        sum(call.multiply_adds for call in program.calls) for program in (native, subpixel)
    )
    layer = NETWORKS["espcn"].layers("subpixel")[-2]
    assert layer.name == "upsampler"
    # The output of the upsampler is a convolution over an image with r**2 times the pixels.
    assert executed - useful == (3**2 - 1) * layer.useful * 64 * PATCH**2
    assert native.memory.temporaries > 2 * subpixel.memory.temporaries


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize("network", GPU_NETWORKS)
def test_sixteen_gpus_sum_each_gradient_once(h100s, network, optimizer):
    program = step(network, h100s, optimizer, 16 * 64)
    assert_one_call_per_result(program, network)
    assert_one_sum(program, network)


def test_a_device_of_sixteen_needs_what_one_device_needs(h100, h100s):
    one = step("espcn", h100)
    sixteen = step("espcn", h100s, batch_size=16 * 64)
    assert sixteen.memory.arguments == one.memory.arguments
    # The sums over the devices overlap with other work, so more arrays exist at a time.
    assert sixteen.memory.temporaries < 2.5 * activations("espcn")


def test_a_tpu_compiles_the_step(v5e):
    program = step("small", v5e, batch_size=4)
    cycles = reading.estimated_cycles(program.module)
    assert cycles["convolution"] > cycles["collective"] == 0
    assert not reading.collectives(program.module)
    assert 0 < program.memory.total < v5e.memory


def test_sixteen_tpus_sum_each_gradient_once(v5es):
    program = step("small", v5es, batch_size=16 * 4)
    assert_one_sum(program, "small")


# SOAP's factorisations take minutes to compile for a TPU.
@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize("network", GPU_NETWORKS)
def test_tpus_compile_each_network_and_optimizer(v5e, v5es, network, optimizer):
    one = step(network, v5e, optimizer)
    assert not reading.collectives(one.module)
    sixteen = step(network, v5es, optimizer, 16 * 64)
    assert_one_sum(sixteen, network)


def test_the_upsampler_by_the_library_s_own_method_is_one_call_per_result(h100):
    program = step("espcn", h100, upsampler=FAST)
    counts = reading.count_kinds(program.calls)
    # Its output is the gradient of the input of a convolution, and the gradient of its input is
    # that convolution: so the numbers are those of "subpixel".
    assert [counts[kind] for kind in (reading.FORWARD, reading.BACKWARD_INPUT)] == [3, 2]
    assert counts[reading.BACKWARD_FILTER] == 3
    assert not reading.zero_insertions(program.module)
    useful = useful_work(experiment("espcn"), "subpixel", h100)[1]
    assert sum(call.multiply_adds for call in program.calls) == useful
