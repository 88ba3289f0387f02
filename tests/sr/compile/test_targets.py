"""Targets: names, sizes, memory, errors; the packages that compile for them."""

import json
from importlib.metadata import PackageNotFoundError

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.compile import packages, targets
from subpixel.sr.compile.program import needed_bytes
from subpixel.sr.compile.targets import find_target


@pytest.mark.parametrize(
    ("name", "platform", "size", "gib"),
    [
        ("h100", "cuda", 1, 79.1),
        ("b200:16", "cuda", 16, 178.4),
        ("v5e", "tpu", 1, 15.75),
        ("v5e:4x4", "tpu", 16, 15.75),
        ("v6e:16x16", "tpu", 256, 31.25),
        ("v4:2x2x4", "tpu", 16, 30.75),
        ("v5p:2x2x1", "tpu", 4, 95.74),
        ("tpu7x:2x2x1", "tpu", 8, 94.75),  # two devices a chip
    ],
)
def test_targets(name, platform, size, gib):
    target = find_target(name)
    assert (target.name, target.platform, target.size) == (name, platform, size)
    assert target.memory / 2**30 == pytest.approx(gib, abs=0.05)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h10", "unknown target 'h10': the nearest is h100; the targets are v100, a100"),
        ("V5E:4x4", "the nearest is v5e"),
        ("", "unknown target ''"),
        *(
            (name, f"a GPU is followed by their number, .* such as {name[:4]}:8")
            for name in ("h100:", "h100:0", "h100:4x4", "a100:12", "a100:512")
        ),
        *(
            (name, "a TPU v5e is followed by its topology of 2 axes, .* such as v5e:4x4$")
            for name in ("v5e:", "v5e:4*4", "v5e:4x0", "v5e:4x4x4", "v5e:3x3", "v5e:32x32")
        ),
        ("v4:4x4", "a TPU v4 is followed by its topology of 3 axes, .* such as v4:4x4x4$"),
        ("v5p:1x2x2", "the first two even"),
    ],
)
def test_unknown_targets(name, message):
    with pytest.raises(InputError, match=message):
        find_target(name)


def test_every_gpu_has_all_facts():
    facts = [set(gpu) for gpu in targets.GPUS["gpus"].values()]
    assert all(one == facts[0] for one in facts)
    text = targets.gpu_config("h100")
    assert "device_memory_size: 84942979072" in text
    assert "cuda_compute_capability { major: 9 minor: 0 }" in text
    assert "xla/backends/gpu/target_config/specs" in json.dumps(targets.GPUS["source"])


def _installed(monkeypatch, versions, *, assembler=True):
    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages, "version", version)
    monkeypatch.setattr(
        packages, "requires", lambda _: ["numpy>=2", 'libtpu==0.0.42.*; extra == "tpu"']
    )
    monkeypatch.setattr(packages.shutil, "which", lambda _: "ptxas" if assembler else None)
    monkeypatch.setattr(packages.Path, "exists", lambda _: False)


JAX = {"jax": "0.10.2", "jaxlib": "0.10.2"}
CUDA = {"jax-cuda12-plugin": "0.10.2", "jax-cuda12-pjrt": "0.10.2"}


@pytest.mark.parametrize(
    ("platform", "versions", "message"),
    [
        ("tpu", {}, 'a TPU needs the package libtpu: pip install "jax[tpu]==0.10.2"'),
        ("tpu", {"libtpu": "0.0.41"}, "libtpu is 0.0.41, and jax 0.10.2 needs libtpu 0.0.42.*: "),
        ("tpu", {"libtpu": "0.0.421"}, "libtpu is 0.0.421, and jax 0.10.2 needs"),
        ("cuda", {}, 'pip install "jax[cuda12-local]==0.10.2" nvidia-cuda-nvcc-cu12'),
        ("cuda", CUDA | {"jax-cuda12-pjrt": "0.10.1"}, "jax-cuda12-pjrt is 0.10.1, and jaxlib is"),
        ("cuda", {"jax-cuda12-plugin": "0.10.2"}, "jax-cuda12-pjrt is missing, and jaxlib is"),
        ("cuda", CUDA | {"jax-cuda13-plugin": "0.12.0"}, "jax-cuda13-plugin is 0.12.0, and"),
    ],
)
def test_missing_packages_are_named_with_the_command(monkeypatch, platform, versions, message):
    _installed(monkeypatch, JAX | versions)
    with pytest.raises(InputError) as raised:
        packages.check_packages(platform)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_installed_packages_are_accepted(monkeypatch):
    _installed(monkeypatch, JAX | CUDA | {"libtpu": "0.0.42.1"})
    packages.check_packages("tpu")
    packages.check_packages("cuda")
    _installed(monkeypatch, JAX | CUDA, assembler=False)
    with pytest.raises(InputError, match=r"needs NVIDIA's ptxas: pip install .*nvidia-cuda-nvcc"):
        packages.check_packages("cuda")
    _installed(monkeypatch, JAX | CUDA | {"nvidia-cuda-nvcc-cu12": "12.9.86"}, assembler=False)
    packages.check_packages("cuda")


@pytest.mark.parametrize(
    ("message", "gib"),
    [
        (
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
            "temporaries (2.00T) exceeds available HBM (15.75G).",
            2048,
        ),
        ("RESOURCE_EXHAUSTED: something else", None),
        ("INTERNAL: Used 17.50G of 15.75G hbm", None),
    ],
)
def test_the_memory_of_a_refused_program(message, gib):
    needed = needed_bytes(message)
    assert (needed if needed is None else needed / 2**30) == gib
