"""Public PyTorch networks, in every way that they are saved, compute what PyTorch computes."""

import argparse

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, PlainConfig
from subpixel.sr.models.find import find_model
from subpixel.sr.models.torch_files import read_checkpoint

torch = pytest.importorskip("torch")
nn = torch.nn


def conv(inputs, outputs, size, **options):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


class Espcn(nn.Module):
    """The names of yjn870."""

    def __init__(self, scale, channels=1, activation=nn.Tanh, features=(8, 6), bias=True):
        super().__init__()
        first, second = features
        self.first_part = nn.Sequential(
            conv(channels, first, 5), activation(), conv(first, second, 3), activation()
        )
        self.last_part = nn.Sequential(
            conv(second, channels * scale**2, 3, bias=bias), nn.PixelShuffle(scale)
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


class LornatangEspcn(nn.Module):
    """The names of Lornatang."""

    def __init__(self, scale):
        super().__init__()
        self.feature_maps = nn.Sequential(conv(1, 8, 5), nn.Tanh(), conv(8, 6, 3), nn.Tanh())
        self.sub_pixel = nn.Sequential(conv(6, scale**2, 3), nn.PixelShuffle(scale))

    def forward(self, x):
        return self.sub_pixel(self.feature_maps(x))


def sequential(scale):
    """An nn.Sequential, as this project's own export prints it."""
    hidden = (conv(3, 8, 5), nn.Tanh(), conv(8, 6, 3), nn.Tanh())
    return nn.Sequential(*hidden, conv(6, 3 * scale**2, 3), nn.PixelShuffle(scale))


class Fsrcnn(nn.Module):
    """The names of yjn870 and ETDS."""

    def __init__(self, scale, channels=1, d=9, s=4, m=11, prelu=nn.PReLU):
        super().__init__()
        self.first_part = nn.Sequential(conv(channels, d, 5), prelu(d))
        middle = [conv(d, s, 1), prelu(s)]
        for _ in range(m):
            middle += [conv(s, s, 3), prelu(s)]
        self.mid_part = nn.Sequential(*middle, conv(s, d, 1), prelu(d))
        self.last_part = nn.ConvTranspose2d(
            d, channels, 9, stride=scale, padding=4, output_padding=scale - 1
        )

    def forward(self, x):
        return self.last_part(self.mid_part(self.first_part(x)))


class LornatangFsrcnn(nn.Module):
    """The names of Lornatang, two mapping layers."""

    def __init__(self, scale, d=9, s=4):
        super().__init__()
        self.feature_extraction = nn.Sequential(conv(1, d, 5), nn.PReLU(d))
        self.shrink = nn.Sequential(conv(d, s, 1), nn.PReLU(s))
        self.map = nn.Sequential(conv(s, s, 3), nn.PReLU(s), conv(s, s, 3), nn.PReLU(s))
        self.expand = nn.Sequential(conv(s, d, 1), nn.PReLU(d))
        self.deconv = nn.ConvTranspose2d(
            d, 1, (9, 9), (scale, scale), (4, 4), (scale - 1, scale - 1)
        )

    def forward(self, x):
        x = self.map(self.shrink(self.feature_extraction(x)))
        return self.deconv(self.expand(x))


class Compact(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact."""

    def __init__(self, scale, channels=3, width=6, count=2):
        super().__init__()
        layers = [conv(channels, width, 3), nn.PReLU(width)]
        for _ in range(count):
            layers += [conv(width, width, 3), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv(width, channels * scale**2, 3)])
        self.scale = scale

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        y = nn.functional.pixel_shuffle(y, self.scale)
        return y + nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")


def randomised(network):
    """Gives every parameter a random number, so that no mistake is hidden by a zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return network


def assert_same(trained, network, channels, after=lambda y: y):
    x = np.random.default_rng(0).random((2, 7, 6, channels), np.float32)
    with torch.no_grad():
        expected = after(network(torch.from_numpy(x).permute(0, 3, 1, 2)))
    expected = expected.permute(0, 2, 3, 1).numpy()
    found = trained.build()(jnp.asarray(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * abs(expected).max())


@pytest.mark.parametrize(
    ("network", "channels", "options", "kind"),
    [
        (lambda: Espcn(3), 1, {}, ESPCNConfig),
        (lambda: Espcn(2, channels=3), 3, {}, ESPCNConfig),
        (lambda: Espcn(2, activation=nn.ReLU), 1, {"activation": "relu"}, ESPCNConfig),
        (lambda: Espcn(4, activation=nn.PReLU), 1, {}, ESPCNConfig),
        (lambda: Espcn(3, bias=False), 1, {}, ESPCNConfig),
        (lambda: LongEspcn(3), 1, {"activation": "relu"}, ESPCNConfig),
        (lambda: LornatangEspcn(2), 1, {}, ESPCNConfig),
        (lambda: sequential(2), 3, {}, ESPCNConfig),
        (lambda: Fsrcnn(2), 1, {"scale": 2}, FSRCNNConfig),
        (lambda: Fsrcnn(3, channels=3), 3, {"scale": 3}, FSRCNNConfig),
        (lambda: Fsrcnn(4, m=0), 1, {"scale": 4}, FSRCNNConfig),
        (lambda: Fsrcnn(5, m=1), 1, {"scale": 5}, FSRCNNConfig),
        (lambda: Fsrcnn(3, prelu=lambda _: nn.PReLU()), 1, {"scale": 3}, FSRCNNConfig),
        (
            lambda: Fsrcnn(3, prelu=lambda _: nn.ReLU()),
            1,
            {"scale": 3, "activation": "relu"},
            FSRCNNConfig,
        ),
        (lambda: LornatangFsrcnn(3), 1, {"scale": 3}, FSRCNNConfig),
        (lambda: Compact(4), 3, {}, PlainConfig),
    ],
)
def test_public_networks_compute_what_pytorch_computes(tmp_path, network, channels, options, kind):
    network = randomised(network())
    torch.save(network.state_dict(), tmp_path / "a.pth")
    trained = find_model(str(tmp_path / "a.pth"), **options)
    assert isinstance(trained.config, kind)
    assert_same(trained, network, channels)


@pytest.mark.parametrize("after", ["sigmoid", "tanh"])
def test_an_activation_at_the_end_is_an_option(tmp_path, after):
    network = randomised(Espcn(3, channels=3))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    trained = find_model(str(tmp_path / "a.pth"), output_activation=after)
    assert_same(trained, network, 3, getattr(torch, after))
    assert trained.facts == {"activation": "tanh", "output_activation": after}


def sorted_keys(network):
    return dict(sorted(network.state_dict().items()))


def data_parallel(network):
    return {f"module.{name}": tensor for name, tensor in network.state_dict().items()}


def checkpoint_of_a_training(network):
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, network_channels(network), 4, 4)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "best_psnr": 30.5,
        "losses": [1.0, 0.5],
        "model_state_dict": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def network_channels(network):
    return 1 if isinstance(network, Fsrcnn) else 3


def averaged(network):
    return {"params": Espcn(3).state_dict(), "params_ema": network.state_dict()}


def data_parallel_of_a_training(network):
    return {"state_dict": data_parallel(network), "epoch": 1}


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


CONTENTS = [
    sorted_keys, data_parallel, checkpoint_of_a_training, averaged, data_parallel_of_a_training,
    half, channels_last,
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    ("name", "legacy", "protocol"),
    [("a.pth", True, 2), ("a.ckpt", False, 2), ("a.bin", False, 5), ("a", True, 4)],
)
def test_the_content_decides_and_not_the_place_or_the_name(
    tmp_path, content, name, legacy, protocol
):
    network = randomised(Fsrcnn(3) if content is sorted_keys else Espcn(3, channels=3))
    torch.save(
        content(network),
        tmp_path / name,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    trained = find_model(str(tmp_path / name), 3)
    assert_same(trained, network, network_channels(network))


@pytest.mark.parametrize("content", [sorted_keys, data_parallel, half])
def test_safetensors_of_pytorch_are_read(tmp_path, content):
    network = randomised(Fsrcnn(4) if content is sorted_keys else Espcn(3, channels=3))
    arrays = {name: tensor.numpy() for name, tensor in content(network).items()}
    save_file(arrays, tmp_path / "a.safetensors", {"format": "pt"})
    trained = find_model(str(tmp_path / "a.safetensors"), network_scale(network))
    assert_same(trained, network, network_channels(network))


def weight_norm(network):
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            nn.utils.parametrizations.weight_norm(module)
    return network.state_dict()


def with_options(network):
    return {"args": argparse.Namespace(lr=1e-3), "state_dict": network.state_dict()}


def lightning(network):
    return {"state_dict": {f"net.{name}": x for name, x in network.state_dict().items()}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (weight_norm, "names of none of them: first_part.0.bias, .*original1"),
        (lambda n: {**n.state_dict(), "mean": torch.ones(3)}, "names of none of them: .*, mean"),
        (lambda n: {**n.state_dict(), "first_part.0.total_ops": torch.ones(1)}, "total_ops"),
        (with_options, r"it names argparse.Namespace, and only tensors are read: save the model's"),
        (lambda n: {**n.state_dict(), "psnr": np.float64(3)}, "it names numpy.*, and only tensors"),
        (lightning, "names of none of them: net.first_part.0.weight"),
        (lambda n: {"generator": n.state_dict()}, "there is no tensor in it, nor under params_ema"),
        (lambda n: [n.state_dict()], "it does not hold a dict of tensors"),
    ],
)
def test_a_state_dict_among_other_things_is_refused_with_the_remedy(tmp_path, content, message):
    torch.save(content(Espcn(3, channels=3)), tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=message) as error:
        find_model(str(tmp_path / "a.ckpt"), 3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "tensor",
    [
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.ones(2, dtype=torch.complex64),
        lambda: torch.ones(2).to(torch.float8_e4m3fn),
        lambda: torch.ones(2, device="meta"),
    ],
)
def test_a_tensor_of_another_kind_is_refused_as_one(tmp_path, tensor):
    torch.save({**Espcn(3).state_dict(), "other": tensor()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"holds a tensor of a kind that is not read \(torch\."):
        find_model(str(tmp_path / "a.pth"))


def network_scale(network):
    return network.last_part.stride[0] if isinstance(network, Fsrcnn) else 3


@pytest.mark.parametrize("legacy", [False, True])
def test_views_and_expanded_tensors_are_read_by_their_strides(tmp_path, legacy):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "a": whole[1:3, 1:4],
        "b": whole.T,
        "c": torch.tensor([2.0]).expand(5),
        "d": whole[::2, ::3],
        "e": torch.tensor(3),
        "w": torch.zeros(1, 1, 1),
    }
    torch.save(state, tmp_path / "a", _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(tmp_path / "a").tensors
    for name, expected in state.items():
        np.testing.assert_array_equal(read[name], expected.numpy())


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


def with_a_wide_kernel():
    network = Fsrcnn(3)
    network.mid_part[2] = conv(4, 4, 5)
    return network


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (lambda: Espcn(3), {"scale": 2}, "gives 9 channels before the shuffle, and x2 of 1 takes"),
        (lambda: Espcn(3), {"activation": "prelu"}, "does not hold the slopes of PReLU"),
        (lambda: Fsrcnn(3), {"scale": 3, "activation": "relu"}, "it holds the slopes of PReLU"),
        (lambda: Fsrcnn(3), {}, "does not state the scale: give the scale"),
        (
            lambda: Fsrcnn(3),
            {"scale": 3, "output_activation": "tanh"},
            "FSRCNN of yjn870 and ETDS has no activation at the end; got .* tanh",
        ),
        (
            lambda: Fsrcnn(3, prelu=lambda _: nn.ReLU()),
            {"scale": 3, "activation": "tanh"},
            "PReLU or ReLU; got tanh",
        ),
        (
            lambda: nn.Sequential(conv(1, 4, 5), nn.BatchNorm2d(4), conv(4, 9, 3)),
            {},
            "a layer holds bias, num_batches_tracked, running_mean, running_var, weight",
        ),
        (
            lambda: nn.Sequential(conv(1, 4, 5), nn.Conv2d(4, 9, (3, 1))),
            {},
            "only convolutions with squ",
        ),
        (lambda: nn.Sequential(conv(1, 4, 5), nn.Linear(4, 4)), {}, "only convolutions with squ"),
        (
            lambda: nn.Sequential(*(conv(1 if i == 0 else 9, 9, 3) for i in range(8))),
            {},
            "has two or three hidden convolutions; got 7",
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 4), conv(4, 9, 3)), {}, "kernels of odd size"),
        (lambda: nn.Sequential(conv(1, 4, 9), conv(4, 3, 1), conv(3, 1, 5)), {}, "1 outputs, whic"),
        (lambda: nn.Sequential(conv(2, 4, 3), conv(4, 8, 3)), {}, "from 1 or 3 channels"),
        (
            lambda: nn.Sequential(conv(1, 4, 3), conv(4, 9, 3), nn.PReLU(9)),
            {},
            "a PReLU after all or none",
        ),
        (lambda: nn.ModuleDict({"head": conv(1, 9, 3)}), {}, "names of none of them: head.weight"),
    ],
)
def test_other_networks_are_refused_by_what_they_are(tmp_path, network, options, message):
    torch.save(network().state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=message) as error:
        find_model(str(tmp_path / "a.pth"), **options)
    assert str(error.value).startswith(f"{tmp_path / 'a.pth'} is not a network that is read (ESPCN")
    assert "\n" not in str(error.value)


def without_a_slope():
    network = Fsrcnn(3)
    network.mid_part[3] = nn.ReLU()
    return network


@pytest.mark.parametrize(
    ("network", "scale", "message"),
    [
        (
            lambda: nn.Sequential(*map(conv, (1, 8, 6), (4, 4, 9), (5, 3, 3))),
            None,
            "conv2.kernel is",
        ),
        (
            lambda: nn.Sequential(conv(1, 4, 3), nn.PReLU(4), conv(4, 4, 3), conv(4, 9, 3)),
            None,
            "prelu2.slope is missing",
        ),
        (with_a_wide_kernel, 3, "conv3.kernel is 5x5x4x4 instead of 3x3x4x4"),
        (without_a_slope, 3, "prelu3.slope is missing"),
    ],
)
def test_layers_that_are_not_a_chain_are_named(tmp_path, network, scale, message):
    torch.save(network().state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        find_model(str(tmp_path / "a.pth"), scale)


def test_files_that_hold_no_state_dict_are_refused_by_what_they_are(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.warns((DeprecationWarning, FutureWarning), match="torch.jit"):
        torch.jit.script(Espcn(3)).save(str(path))
    with pytest.raises(InputError, match="it is a TorchScript program"):
        find_model(str(path))
    torch.save(nn.Conv2d(1, 2, 3), path)
    with pytest.raises(InputError, match=r"names torch\.nn\.modules.*: save the model's state_di"):
        find_model(str(path))
    optimizer = torch.optim.Adam(Espcn(3).parameters())
    torch.save({"optimizer": optimizer.state_dict()}, path)
    with pytest.raises(InputError, match="there is no tensor in it"):
        find_model(str(path))
