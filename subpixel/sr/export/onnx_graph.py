"""A network's operations as an ONNX graph, written with the `onnx` package alone.

Images are (batch, channels, height, width), as ONNX has them, with batch, height and width free, or
all of them fixed for programs that need fixed sizes.
The three layouts of the upsampling give three graphs of one function:

===============  =================================================================
subpixel         Conv, DepthToSpace
conv_transpose   ConvTranspose
zero_insert      ConvTranspose with a kernel of one 1 (inserts zeros), Conv
===============  =================================================================
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from subpixel.kernels import Layout
from subpixel.ops.conv import upsampling_padding
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.packages import require_package
from subpixel.sr.models.operations import (
    Activation,
    AddNearest,
    Centre,
    Convolution,
    Crop,
    Operation,
    PadEdge,
    Upsampling,
)

if TYPE_CHECKING:
    import onnx

DEFAULT_OPSET = 17  # ONNX 1.12 of June 2022
OLDEST_OPSET = 15  # Shape with start and end

_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}


def build_onnx(
    operations: Sequence[Operation],
    *,
    scale: int,
    channels: int,
    layout: Layout = "subpixel",
    uint8: bool = False,
    opset: int = DEFAULT_OPSET,
    size: tuple[int, int] | None = None,
    metadata: dict[str, str] | None = None,
) -> "onnx.ModelProto":
    """Returns the ONNX model of a network.

    Further arguments are those of `Choices`; `operations` are those of `Network.operations`, and
    `metadata` is stored as text. Only with `uint8` is the output clipped; it is rounded halves up.

    Raises:
      InputError: if the package `onnx` is not installed, or does not know the opset.
    """
    onnx = require_package("onnx", "export to ONNX")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise InputError(
            f"opset must be from {OLDEST_OPSET} to {newest}, the newest of the installed onnx "
            f"{onnx.__version__}; got {opset}"
        )
    graph = _Graph(onnx, layout, scale, channels, size)
    pixels = "input"
    if uint8:
        pixels = graph.add("Cast", [pixels], to=onnx.TensorProto.FLOAT)
        pixels = graph.add("Div", [pixels, graph.constant("white", np.float32(255))])
    graph.write(operations, pixels)
    if uint8:
        graph.round_to_uint8()
    kind = onnx.TensorProto.UINT8 if uint8 else onnx.TensorProto.FLOAT
    if size is None:
        sizes = ["batch", channels, "height", "width"]
        enlarged = ["batch", channels, f"{scale}*height", f"{scale}*width"]
    else:
        sizes = [1, channels, *size]
        enlarged = [1, channels, *(scale * side for side in size)]
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.finish(),
            "subpixel",
            [onnx.helper.make_tensor_value_info("input", kind, sizes)],
            [onnx.helper.make_tensor_value_info("output", kind, enlarged)],
            graph.constants,
        ),
        producer_name="subpixel",
        opset_imports=opsets,
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
    )
    onnx.helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    def __init__(
        self,
        onnx: Any,
        layout: Layout,
        scale: int,
        channels: int,
        size: tuple[int, int] | None,
    ):
        self.onnx = onnx
        self.layout: Layout = layout
        self.scale = scale
        self.channels = channels
        self.size = size
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.counts: dict[str, int] = {}
        self.pixels = self.value = "input"
        self.factor = 1.0

    def add(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        name = self._number(operator.lower())
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, array: Shaped[np.ndarray, "..."] | np.generic) -> str:
        """Adds a constant and returns its name."""
        copy = np.array(array, order="C")
        self.constants.append(self.onnx.numpy_helper.from_array(copy, name))
        return name

    def write(self, operations: Sequence[Operation], pixels: str) -> None:
        """Adds the operations of a network whose input is the value `pixels`."""
        self.pixels = self.value = pixels
        for operation, following in zip_longest(operations, operations[1:]):
            match operation:
                case Centre(mean, scale):
                    # The mean cannot move into the first bias: zeros beside the image pad the
                    # centred input. The factor can move into the first kernel, since it leaves
                    # those zeros as they are.
                    name = self.constant("mean", np.float32(mean))
                    self.value = self.add("Sub", [self.value, name])
                    self.factor = scale
                case Convolution(kernel, bias):
                    kernel = kernel * np.float32(self.factor)
                    self.factor = 1.0
                    self.value = self._convolve(self.value, kernel, bias)
                case Activation("prelu", slope):
                    values = np.asarray(slope, np.float32).reshape(-1, 1, 1)
                    name = self.constant(self._number("slope"), values)
                    self.value = self.add("PRelu", [self.value, name])
                case Activation(name):
                    self.value = self.add(_ACTIVATIONS[name], [self.value])
                case PadEdge(count):
                    pads = self.constant("pads", np.array([0, 0, count, count] * 2, np.int64))
                    self.value = self.add("Pad", [self.value, pads], mode="edge")
                case Crop(count):
                    # OpenCV does not read a Pad with negative sizes.
                    bounds = {"starts": [count] * 2, "ends": [-count] * 2, "axes": [2, 3]}
                    names = [self.constant(k, np.array(v, np.int64)) for k, v in bounds.items()]
                    self.value = self.add("Slice", [self.value, *names])
                case Upsampling():
                    self._upsample(operation, isinstance(following, AddNearest))
                case AddNearest():
                    """Part of the upsampling before it."""

    def round_to_uint8(self) -> None:
        """Ends the graph with 0..255, clipped and rounded halves up, as the upscaler does."""
        white, zero = "white", self.constant("black", np.float32(0))
        value = self.add("Mul", [self.value, white])
        value = self.add("Clip", [value, zero, white])
        value = self.add("Add", [value, self.constant("half", np.float32(0.5))])
        value = self.add("Floor", [value])
        self.value = self.add("Cast", [value], to=self.onnx.TensorProto.UINT8)

    def finish(self) -> list[Any]:
        """Names the last node's output and returns all nodes."""
        self.nodes[-1].output[0] = "output"
        return self.nodes

    def _upsample(self, operation: Upsampling, residual: bool) -> None:
        if self.layout == "subpixel":
            self._subpixel(operation, residual)
            return
        shared = None if operation.has_phase_bias else operation.bias
        if self.layout == "conv_transpose":
            self._conv_transpose(operation, shared)
        else:
            self._zero_insert(operation, shared)
        if shared is None:
            self._add_phase_bias(operation.phase_bias)
        if residual:
            self.value = self.add("Add", [self.value, self._nearest()])

    def _subpixel(self, operation: Upsampling, residual: bool) -> None:
        value = self._convolve(self.value, operation.kernel, operation.phase_bias)
        if residual:
            # Before the shuffle, the input pixel is added to each phase: no image is enlarged.
            pixels = self.pixels
            if self.channels > 1:
                counts = np.array([1, self.scale**2, 1, 1], np.int64)
                pixels = self.add("Tile", [pixels, self.constant("phases", counts)])
            value = self.add("Add", [value, pixels])
        self.value = self.add("DepthToSpace", [value], blocksize=self.scale, mode="DCR")

    def _conv_transpose(self, operation: Upsampling, bias: np.ndarray | None) -> None:
        kernel = operation.kernel_in("conv_transpose")
        sizes, scales = kernel.shape[:2], (self.scale, self.scale)
        pairs = upsampling_padding(sizes, scales, "SAME")
        # ONNX does not flip the kernel, so it is reversed here; the pads crop the output.
        pads = [size - 1 - low for size, (low, _) in zip(sizes, pairs, strict=True)]
        pads += [size - 1 - high for size, (_, high) in zip(sizes, pairs, strict=True)]
        inputs = [self.value, self.constant("upsampler.weight", _reversed(kernel))]
        if bias is not None:
            inputs.append(self.constant("upsampler.bias", bias))
        self.value = self.add(
            "ConvTranspose", inputs, kernel_shape=list(sizes), strides=list(scales), pads=pads
        )

    def _zero_insert(self, operation: Upsampling, bias: np.ndarray | None) -> None:
        kernel = operation.kernel_in("zero_insert")
        scales, features = (self.scale, self.scale), kernel.shape[2]
        one = np.zeros((features, 1, *scales), np.float32)
        one[:, :, 0, 0] = 1
        stuffed = self.add(
            "ConvTranspose",
            [self.value, self.constant("zeros.weight", one)],
            kernel_shape=list(scales),
            strides=list(scales),
            group=features,
        )
        pairs = upsampling_padding(kernel.shape[:2], scales, "SAME")
        pairs = [(low, high - self.scale + 1) for low, high in pairs]
        self.value = self._convolve(stuffed, kernel, bias, pairs)

    def _add_phase_bias(self, bias: np.ndarray) -> None:
        """Adds a tile of r x r biases, repeated over the image."""
        tile = bias.reshape(-1, self.channels).T
        tile = tile.reshape(1, self.channels, self.scale, self.scale)
        if self.size is not None:
            image = np.tile(tile, (1, 1, *self.size))
            self.value = self.add("Add", [self.value, self.constant("upsampler.bias", image)])
            return
        sizes = self.add("Shape", [self.pixels], start=2, end=4)
        ones = self.constant("ones", np.ones(2, np.int64))
        repeats = self.add("Concat", [ones, sizes], axis=0)
        tiled = self.add("Tile", [self.constant("upsampler.bias", tile), repeats])
        self.value = self.add("Add", [self.value, tiled])

    def _nearest(self) -> str:
        scales = np.array([1, 1, self.scale, self.scale], np.float32)
        return self.add(
            "Resize",
            [self.pixels, "", self.constant("scales", scales)],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _convolve(
        self,
        value: str,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        pairs: Sequence[tuple[int, int]] | None = None,
    ) -> str:
        pairs = pairs or [((size - 1) // 2, size // 2) for size in kernel.shape[:2]]
        name = self._number("layer")
        inputs = [value, self.constant(f"{name}.weight", kernel.transpose(3, 2, 0, 1))]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias))
        pads = [low for low, _ in pairs] + [high for _, high in pairs]
        return self.add("Conv", inputs, kernel_shape=list(kernel.shape[:2]), pads=pads)

    def _number(self, name: str) -> str:
        self.counts[name] = self.counts.get(name, 0) + 1
        return f"{name}{self.counts[name]}"


def _reversed(kernel: np.ndarray) -> np.ndarray:
    """(k, k, in, out) of `jax.lax.conv_transpose` -> (in, out, k, k), spatially reversed."""
    return kernel[::-1, ::-1].transpose(2, 3, 0, 1)
