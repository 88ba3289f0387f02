"""Holds the public surface to the house's own conventions."""

import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from typing import Literal, TypeVar, get_args, get_origin

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import subpixel
from subpixel import equinox, image, initializers, kernels, layers, linen, nnx, ops

MODULES = [nnx, linen, ops, equinox, image, initializers, kernels]
# The library's tests run without the packages that the application needs as well.
if importlib.util.find_spec("tyro"):
    MODULES.append(importlib.import_module("subpixel.sr.models"))

# Where options are positional, and why.
POSITIONAL = {
    "conv_transpose": "the signature is that of jax.lax.conv_transpose",
    "ConvTranspose": "the signature is that of flax.nnx.ConvTranspose",
    "rgb_to_luma": "the range was positional from the start, and callers give it so",
    "torch_conv_transpose": "the signature is that of torch.nn.functional.conv_transpose2d",
}

# Modules that import what is not installed, or run in a process of their own.
OTHER_PROGRAMS = ()
# Methods that begin with an underscore and take arrays all the same.
SPECIAL = ("__call__", "__init__")
# JAX fills their fields with shapes, shardings and tracers too.
PYTREES = ("TrainState",)
# Arrays without a shape in the signature, and why.
UNSHAPED = {
    "ConvTranspose.__init__: mask": "the signature is that of Flax",
    "soap: learning_rate": "the type is optax's ScalarOrSchedule",
}


def public(kind):
    """Functions or classes that the modules define, by their dotted names."""
    found = {}
    for module in MODULES:
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("subpixel")
            if kind(value) and ours and not name.startswith("_"):
                found[f"{value.__module__}.{name}"] = value
    return [pytest.param(value, id=name) for name, value in sorted(found.items())]


FUNCTIONS = public(inspect.isfunction)
CLASSES = public(inspect.isclass)
SURFACE = FUNCTIONS + CLASSES


def parameters(thing):
    # The class itself shows only the signature of its metaclass.
    call = thing.__init__ if inspect.isclass(thing) else thing
    return [p for name, p in inspect.signature(call).parameters.items() if name != "self"]


def test_the_contract_is_there():
    assert {"conv_transpose", "subpixel_conv", "zero_insert_conv"} <= set(subpixel.__all__)
    assert {"pixel_shuffle", "pixel_unshuffle", "kernels", "initializers"} <= set(subpixel.__all__)
    names = {"ConvTranspose", "PixelShuffle", "SubpixelConv", "ZeroInsertConv"}
    assert names <= set(layers.__all__)
    assert names <= set(linen.__all__)
    assert kernels.LAYOUTS == ("subpixel", "conv_transpose", "zero_insert")


@pytest.mark.parametrize("module", [subpixel, *MODULES], ids=lambda module: module.__name__)
def test_every_module_and_every_exported_name_is_documented(module):
    assert module.__doc__
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        # Type variables and aliases cannot have docstrings.
        is_type = isinstance(value, TypeVar) or get_origin(value) is Literal
        assert is_type or inspect.getdoc(value), name


@pytest.mark.parametrize("thing", SURFACE)
def test_public_things_begin_with_a_line_that_ends_in_a_full_stop(thing):
    summary = (inspect.getdoc(thing) or "").split("\n\n")[0]
    assert summary.endswith("."), summary


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_annotated(function):
    signature = inspect.signature(function)
    bare = [p.name for p in parameters(function) if p.annotation is inspect.Parameter.empty]
    assert not bare
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize(
    "thing", [p for p in SURFACE if not p.values[0].__module__.startswith("subpixel.linen")]
)
def test_options_are_keyword_only(thing):
    """Linen's fields are the exception: Linen's own may be given by position."""
    if thing.__name__ in POSITIONAL:
        pytest.skip(POSITIONAL[thing.__name__])
    positional = [
        p.name
        for p in parameters(thing)
        if p.default is not inspect.Parameter.empty and p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert not positional


@pytest.mark.parametrize(
    "layer", [p for p in CLASSES if p.values[0].__module__.endswith("nnx._upsampling")]
)
def test_random_streams_come_last(layer):
    names = [p.name for p in parameters(layer)]
    assert "rngs" not in names[:-1]


@pytest.mark.parametrize("name", ["PixelShuffle", "SubpixelConv", "ZeroInsertConv"])
def test_linen_has_the_options_of_nnx(name):
    nnx_names = {p.name for p in parameters(getattr(layers, name))}
    linen_names = {p.name for p in parameters(getattr(linen, name))} - {"parent", "name"}
    assert linen_names - {"features"} == nnx_names - {"in_features", "out_features", "rngs"}


def parts(hint):
    """A type and the types that it is made of, such as the members of a union."""
    # The arguments of a callable are a list.
    own = set() if isinstance(hint, list) else {hint}
    return own.union(*map(parts, hint if isinstance(hint, list) else get_args(hint)))


def application():
    """The modules of `subpixel.sr`, where its packages are installed."""
    if not importlib.util.find_spec("tyro"):
        return
    package = importlib.import_module("subpixel.sr")
    for module in pkgutil.walk_packages(package.__path__, "subpixel.sr."):
        if not module.name.startswith(OTHER_PROGRAMS):
            yield importlib.import_module(module.name)


def calls(thing):
    """A function, or the public methods and the constructor of a class, by name."""
    if not inspect.isclass(thing):
        return {"": thing}
    members = {name: getattr(value, "__func__", value) for name, value in vars(thing).items()}
    members |= {n: v.fget for n, v in members.items() if isinstance(v, property)}
    return {
        f".{name}": value
        for name, value in members.items()
        if inspect.isfunction(value) and (not name.startswith("_") or name in SPECIAL)
    }


@pytest.mark.parametrize("module", [*MODULES, *application()], ids=lambda module: module.__name__)
def test_arrays_have_shapes_in_signatures(module):
    bare = {jax.Array, np.ndarray, image.ImageArray}
    found = []
    for thing, value in vars(module).items():
        ours = getattr(value, "__module__", "") or ""
        public = not thing.startswith("_") and thing not in PYTREES
        if not (public and ours.startswith("subpixel") and callable(value)):
            continue
        for name, call in calls(value).items():
            signature = inspect.signature(call)
            hints = {p.name: p.annotation for p in signature.parameters.values()}
            hints["return"] = signature.return_annotation
            found += [f"{thing}{name}: {n}" for n, hint in hints.items() if bare & parts(hint)]
    assert set(found) <= UNSHAPED.keys()


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: image.psnr(np.zeros((4, 4, 1)), np.zeros((4, 5, 1))), "reference"),
        (lambda: kernels.from_torch_conv(jnp.zeros(3)), "weight"),
        (lambda: ops.subpixel_conv(jnp.ones((1, 4, 3)), jnp.ones((2, 5, 4)), 2), "kernel"),
        (lambda: nnx.PixelShuffle(2)([1, 2, 3, 4]), "x"),
        (lambda: linen.PixelShuffle(2).apply({}, [1, 2, 3, 4]), "x"),
    ],
)
def test_the_tests_check_the_shapes_in_signatures(call, argument):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"typechecking parameter '{argument}'"):
        call()


def test_importing_the_package_brings_only_jaxtyping_besides_jax_and_flax():
    program = (
        "import sys, jax, numpy\n"
        "from flax import nnx\n"
        "before = set(sys.modules)\n"
        "from subpixel import *\n"
        "new = {name for name in set(sys.modules) - before}\n"
        "names = {name.split('.')[0] for name in new} - sys.stdlib_module_names\n"
        "print(*sorted(names))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["jaxtyping", "subpixel"]
