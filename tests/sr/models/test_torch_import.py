"""Public PyTorch networks, in every way that they are saved, compute what PyTorch computes."""

import argparse

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from subpixel.sr._support.errors import InputError
from subpixel.sr.find import find_model
from subpixel.sr.models.torch_files import read_checkpoint

torch = pytest.importorskip("torch")
nn = torch.nn


def conv(inputs, outputs, size, **options):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


class Espcn(nn.Module):
    """The names of yjn870."""

    def __init__(self, scale, channels=1, activation=nn.Tanh, bias=True):
        super().__init__()
        self.first_part = nn.Sequential(
            conv(channels, 8, 5), activation(), conv(8, 6, 3), activation()
        )
        self.last_part = nn.Sequential(
            conv(6, channels * scale**2, 3, bias=bias), nn.PixelShuffle(scale)
        )

    def forward(self, x):
        return self.last_part(self.first_part(x))


class LongEspcn(nn.Module):
    """The four convolutions of PyTorch's examples and of leftthomas."""

    def __init__(self, scale):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1, self.conv2 = conv(1, 7, 5), conv(7, 7, 3)
        self.conv3, self.conv4 = conv(7, 5, 3), conv(5, scale**2, 3)
        self.pixel_shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        for layer in (self.conv1, self.conv2, self.conv3):
            x = self.relu(layer(x))
        return self.pixel_shuffle(self.conv4(x))


def sequential(scale):
    """An nn.Sequential, as this project's own export prints it."""
    hidden = (conv(3, 8, 5), nn.Tanh(), conv(8, 6, 3), nn.Tanh())
    return nn.Sequential(*hidden, conv(6, 3 * scale**2, 3), nn.PixelShuffle(scale))


class Fsrcnn(nn.Module):
    """The names of yjn870 and ETDS."""

    def __init__(self, scale, channels=1, m=11, prelu=nn.PReLU):
        super().__init__()
        self.first_part = nn.Sequential(conv(channels, 9, 5), prelu(9))
        middle = [conv(9, 4, 1), prelu(4)]
        for _ in range(m):
            middle += [conv(4, 4, 3), prelu(4)]
        self.mid_part = nn.Sequential(*middle, conv(4, 9, 1), prelu(9))
        self.last_part = nn.ConvTranspose2d(
            9, channels, 9, stride=scale, padding=4, output_padding=scale - 1
        )

    def forward(self, x):
        return self.last_part(self.mid_part(self.first_part(x)))


class Compact(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact."""

    def __init__(self, scale, width=6):
        super().__init__()
        layers = [conv(3, width, 3), nn.PReLU(width)]
        for _ in range(2):
            layers += [conv(width, width, 3), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv(width, 3 * scale**2, 3)])
        self.scale = scale

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        y = nn.functional.pixel_shuffle(y, self.scale)
        return y + nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")


# Lornatang's names of the layers.
ESPCN = {"first_part.": "feature_maps.", "last_part.": "sub_pixel."}
FSRCNN = {
    "first_part.": "feature_extraction.", "last_part.": "deconv.",
    "mid_part.0.": "shrink.0.", "mid_part.1.": "shrink.1.",
    "mid_part.2.": "map.0.", "mid_part.3.": "map.1.",
    "mid_part.4.": "map.2.", "mid_part.5.": "map.3.",
    "mid_part.6.": "expand.0.", "mid_part.7.": "expand.1.",
}  # fmt: skip


def renamed(network, names):
    state = network.state_dict()
    for old, new in names.items():
        state = {name.replace(old, new): tensor for name, tensor in state.items()}
    return state


def randomised(network):
    """Gives every parameter a random number, so that no mistake is hidden by a zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return network


def assert_same(trained, network, after=lambda y: y):
    x = np.random.default_rng(0).random((2, 7, 6, trained.config.channels), np.float32)
    with torch.no_grad():
        expected = after(network(torch.from_numpy(x).permute(0, 3, 1, 2)))
    expected = expected.permute(0, 2, 3, 1).numpy()
    found = trained.build()(jnp.asarray(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * abs(expected).max())


def slope(_):
    return nn.PReLU()


def relu(_):
    return nn.ReLU()


# The network of ours, PyTorch's, what is said of the file, and other names of the layers.
PUBLIC = [
    ("espcn", lambda: Espcn(3), {}, {}),
    ("espcn", lambda: Espcn(2, channels=3), {}, {}),
    ("espcn", lambda: Espcn(2, activation=nn.ReLU), {"activation": "relu"}, {}),
    ("espcn", lambda: Espcn(4, activation=nn.PReLU), {}, {}),
    ("espcn", lambda: Espcn(3, bias=False), {}, {}),
    ("espcn", lambda: LongEspcn(3), {"activation": "relu"}, {}),
    ("espcn", lambda: Espcn(2), {}, ESPCN),
    ("espcn", lambda: sequential(2), {}, {}),
    ("fsrcnn", lambda: Fsrcnn(2), {"scale": 2}, {}),
    ("fsrcnn", lambda: Fsrcnn(3, channels=3), {"scale": 3}, {}),
    ("fsrcnn", lambda: Fsrcnn(4, m=0), {"scale": 4}, {}),
    ("fsrcnn", lambda: Fsrcnn(5, m=1), {"scale": 5}, {}),
    ("fsrcnn", lambda: Fsrcnn(3, prelu=slope), {"scale": 3}, {}),
    ("fsrcnn", lambda: Fsrcnn(3, prelu=relu), {"scale": 3, "activation": "relu"}, {}),
    ("fsrcnn", lambda: Fsrcnn(3, m=2), {"scale": 3}, FSRCNN),
    ("plain", lambda: Compact(4), {}, {}),
]


@pytest.mark.parametrize(("kind", "network", "options", "names"), PUBLIC)
def test_public_networks_compute_what_pytorch_computes(tmp_path, kind, network, options, names):
    network = randomised(network())
    torch.save(renamed(network, names), tmp_path / "a.pth")
    trained = find_model(str(tmp_path / "a.pth"), **options)
    assert trained.config.network == kind
    assert_same(trained, network)


@pytest.mark.parametrize("after", ["sigmoid", "tanh"])
def test_an_activation_at_the_end_is_an_option(tmp_path, after):
    network = randomised(Espcn(3, channels=3))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    trained = find_model(str(tmp_path / "a.pth"), output_activation=after)
    assert_same(trained, network, getattr(torch, after))
    assert trained.facts == {"activation": "tanh", "output_activation": after}


def data_parallel(network):
    return {f"module.{name}": tensor for name, tensor in network.state_dict().items()}


def checkpoint_of_a_training(network):
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    state = {"model_state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}
    return {"epoch": 3, "best_psnr": 30.5, "losses": [1.0, 0.5], **state}


def half(network):
    # Values that half precision holds exactly.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    return {name: tensor.half() for name, tensor in network.state_dict().items()}


def channels_last(network):
    return {
        name: tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in network.state_dict().items()
    }


CONTENTS = {
    "sorted": lambda n: dict(sorted(n.state_dict().items())),
    "DataParallel": data_parallel,
    "training": checkpoint_of_a_training,
    "averaged": lambda n: {"params": Espcn(3).state_dict(), "params_ema": n.state_dict()},
    "DataParallel of a training": lambda n: {"state_dict": data_parallel(n), "epoch": 1},
    "half": half,
    "channels last": channels_last,
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    ("name", "legacy", "protocol"),
    [("a.pth", True, 2), ("a.ckpt", False, 2), ("a.bin", False, 5), ("a", True, 4)],
)
def test_the_content_decides_and_not_the_place_or_the_name(
    tmp_path, content, name, legacy, protocol
):
    network = randomised(Fsrcnn(3) if content == "sorted" else Espcn(3, channels=3))
    torch.save(
        CONTENTS[content](network),
        tmp_path / name,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    assert_same(find_model(str(tmp_path / name), 3), network)


@pytest.mark.parametrize("content", ["sorted", "DataParallel", "half"])
def test_safetensors_of_pytorch_are_read(tmp_path, content):
    network = randomised(Fsrcnn(3) if content == "sorted" else Espcn(3, channels=3))
    arrays = {name: tensor.numpy() for name, tensor in CONTENTS[content](network).items()}
    save_file(arrays, tmp_path / "a.safetensors", {"format": "pt"})
    assert_same(find_model(str(tmp_path / "a.safetensors"), 3), network)


def weight_norm(network):
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            nn.utils.parametrizations.weight_norm(module)
    return network.state_dict()


def among(**others):
    return lambda network: {**network.state_dict(), **others}


def lightning(network):
    return {"state_dict": {f"net.{name}": x for name, x in network.state_dict().items()}}


OTHER_KIND = r"holds a tensor of a kind that is not read \(torch\."
CONTENTS_REFUSED = [
    (weight_norm, "names of none of them: first_part.0.bias, .*original1"),
    (among(mean=torch.ones(3)), "names of none of them: .*, mean"),
    (among(**{"first_part.0.total_ops": torch.ones(1)}), "total_ops"),
    (among(psnr=np.float64(3)), "it names numpy.*, and only tensors"),
    (among(other=torch.eye(3).to_sparse()), OTHER_KIND),
    (among(other=torch.ones(2, dtype=torch.complex64)), OTHER_KIND),
    (among(other=torch.ones(2).to(torch.float8_e4m3fn)), OTHER_KIND),
    (among(other=torch.ones(2, device="meta")), OTHER_KIND),
    (lambda n: {"args": argparse.Namespace(lr=1e-3), "state_dict": n.state_dict()},
     r"it names argparse.Namespace, and only tensors are read: save the model's"),
    (lightning, "names of none of them: net.first_part.0.weight"),
    (lambda n: {"generator": n.state_dict()}, "there is no tensor in it, nor under params_ema"),
    (lambda n: [n.state_dict()], "it does not hold a dict of tensors"),
    (lambda n: n, r"names __main__|names .*Espcn.*: save the model's state_di"),
    (lambda n: {"optimizer": torch.optim.Adam(n.parameters()).state_dict()},
     "there is no tensor in it"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), CONTENTS_REFUSED)
def test_a_state_dict_among_other_things_is_refused_with_the_remedy(tmp_path, content, message):
    torch.save(content(Espcn(3, channels=3)), tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=message) as error:
        find_model(str(tmp_path / "a.ckpt"), 3)
    assert "\n" not in str(error.value)


def test_a_torchscript_program_is_refused_as_one(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.warns((DeprecationWarning, FutureWarning), match="torch.jit"):
        torch.jit.script(Espcn(3)).save(str(path))
    with pytest.raises(InputError, match="it is a TorchScript program"):
        find_model(str(path))


@pytest.mark.parametrize("legacy", [False, True])
def test_views_and_expanded_tensors_are_read_by_their_strides(tmp_path, legacy):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "a": whole[1:3, 1:4],
        "b": whole.T,
        "c": torch.tensor([2.0]).expand(5),
        "d": whole[::2, ::3],
        "e": torch.tensor(3),
        "f": torch.randn(3).bfloat16(),
        "p": nn.Parameter(torch.randn(4, 3, 2, 2).permute(1, 0, 3, 2)),
        "w": torch.zeros(1, 1, 1),
    }
    torch.save(state, tmp_path / "a", _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(tmp_path / "a").tensors
    for name, expected in state.items():
        np.testing.assert_array_equal(read[name], expected.detach().float().numpy())


def test_a_file_tells_of_what_it_does_not_state(tmp_path):
    path = str(tmp_path / "a.pth")
    torch.save(randomised(Espcn(3)).state_dict(), path)
    (note,) = find_model(path, 3).notes
    assert note == (
        "the file does not state its activations: activation tanh and output-activation none "
        "assumed; --activation or --output-activation says otherwise"
    )
    (note,) = find_model(path, 3, activation="relu").notes
    assert "output-activation none assumed; --output-activation says otherwise" in note
    assert find_model(path, 3, activation="tanh", output_activation="none").notes == ()
    torch.save(Fsrcnn(3).state_dict(), path)
    assert find_model(path, 3).notes == ()


def chain(*layers):
    return lambda: nn.Sequential(*layers)


def fsrcnn_with(number, layer):
    network = Fsrcnn(3)
    network.mid_part[number] = layer
    return lambda: network


X3 = {"scale": 3}
NETWORKS_REFUSED = [
    (lambda: Espcn(3), {"scale": 2}, "gives 9 channels before the shuffle, and x2 of 1 takes"),
    (lambda: Espcn(3), {"activation": "prelu"}, "does not hold the slopes of PReLU"),
    (lambda: Fsrcnn(3), X3 | {"activation": "relu"}, "it holds the slopes of PReLU"),
    (lambda: Fsrcnn(3), {}, "does not state the scale: give the scale"),
    (lambda: Fsrcnn(3), X3 | {"output_activation": "tanh"}, "ETDS has no activation at the end"),
    (lambda: Fsrcnn(3, prelu=relu), X3 | {"activation": "tanh"}, "PReLU or ReLU; got tanh"),
    (chain(conv(1, 4, 5), nn.BatchNorm2d(4), conv(4, 9, 3)), {},
     "a layer holds bias, num_batches_tracked, running_mean, running_var, weight"),
    (chain(conv(1, 4, 5), nn.Conv2d(4, 9, (3, 1))), {}, "only convolutions with square kernels"),
    (chain(conv(1, 4, 5), nn.Linear(4, 4)), {}, "only convolutions with square kernels"),
    (chain(nn.Conv2d(1, 4, 4), conv(4, 9, 3)), {}, "kernels of odd size"),
    (chain(*(conv(9 if i else 1, 9, 3) for i in range(8))), {}, "three hidden convolut.*; got 7"),
    (chain(conv(1, 4, 9), conv(4, 3, 1), conv(3, 1, 5)), {}, "1 outputs, which no pixel shuffle"),
    (chain(conv(2, 4, 3), conv(4, 8, 3)), {}, "from 1 or 3 channels"),
    (chain(conv(1, 4, 3), conv(4, 9, 3), nn.PReLU(9)), {}, "a PReLU after all or none"),
    (lambda: nn.ModuleDict({"head": conv(1, 9, 3)}), {}, "names of none of them: head.weight"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "options", "message"), NETWORKS_REFUSED)
def test_other_networks_are_refused_by_what_they_are(tmp_path, network, options, message):
    torch.save(network().state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=message) as error:
        find_model(str(tmp_path / "a.pth"), **options)
    assert str(error.value).startswith(f"{tmp_path / 'a.pth'} is not a network that is read (ESPCN")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (chain(conv(1, 4, 5), conv(8, 4, 3), conv(6, 9, 3)), {}, "conv2.kernel is 3x3x8x4 inst"),
        (
            chain(conv(1, 4, 3), nn.PReLU(4), conv(4, 4, 3), conv(4, 9, 3)),
            {},
            "prelu2.slope is missing",
        ),
        (fsrcnn_with(2, conv(4, 4, 5)), X3, "conv3.kernel is 5x5x4x4 instead of 3x3x4x4"),
        (fsrcnn_with(3, nn.ReLU()), X3, "prelu3.slope is missing"),
    ],
)
def test_layers_that_are_not_a_chain_are_named(tmp_path, network, options, message):
    torch.save(network().state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        find_model(str(tmp_path / "a.pth"), **options)
