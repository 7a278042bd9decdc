"""EfficientNet-Lite0 as an OpenVINO graph.

Source: Tan and Le, "EfficientNet", 2019, and TensorFlow's `efficientnet_lite_builder.py`: against EfficientNet-B0 there is no
squeeze-and-excitation, ReLU6 stands for swish, and stem and head keep their widths. The weights were trained by TensorFlow, so
padding is its SAME (the odd pixel goes to the end) and the batch norms' epsilon is its 1e-3.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import openvino as ov
from openvino import opset13 as ops

SIZE = 224
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3


class Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int  # of the first block; the others have 1
    expansion: int
    width: int


STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, width=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, width=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, width=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, width=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, width=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, width=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, width=320),
)
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class _Builder:
    """Turns the published tensors, which it takes by name, into layers. Raises ValueError for one missing or misshapen."""

    def __init__(self, tensors: Mapping[str, np.ndarray]):
        self._tensors = tensors

    def take(self, name: str, *shape: int) -> np.ndarray:
        if name not in self._tensors:
            raise ValueError(f"the weights have no tensor {name}")
        tensor = self._tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise ValueError(f"tensor {name} is {tensor.dtype}{list(tensor.shape)}, not float32{list(shape)}")
        return tensor

    def convolution(self, x: ov.Output, conv: str, norm: str, width: int, kernel: int = 1, stride: int = 1) -> ov.Node:
        """A convolution with the batch norm behind it folded into its weights and a bias."""
        channels = x.get_partial_shape()[1].get_length()
        weights = self.take(f"{conv}.weight", width, channels, kernel, kernel)
        scale, bias = self._folded(norm, width)
        filters = weights * scale.reshape(-1, 1, 1, 1)
        y = ops.convolution(x, filters.astype(np.float32), [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper", name=conv)
        return ops.add(y, bias, name=norm)

    def depthwise(self, x: ov.Output, conv: str, norm: str, kernel: int, stride: int) -> ov.Node:
        channels = x.get_partial_shape()[1].get_length()
        weights = self.take(f"{conv}.weight", channels, 1, kernel, kernel)
        scale, bias = self._folded(norm, channels)
        filters = (weights * scale.reshape(-1, 1, 1, 1)).reshape(channels, 1, 1, kernel, kernel)
        y = ops.group_convolution(
            x, filters.astype(np.float32), [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper", name=conv
        )
        return ops.add(y, bias, name=norm)

    def _folded(self, norm: str, width: int) -> tuple[np.ndarray, np.ndarray]:
        gamma, beta, mean, variance = (
            self.take(f"{norm}.{part}", width).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        return scale, (beta - mean * scale).astype(np.float32).reshape(1, -1, 1, 1)


def _relu6(x: ov.Node) -> ov.Output:
    return ops.clamp(x, 0.0, 6.0).output(0)


def _block(builder: _Builder, x: ov.Output, prefix: str, stage: Stage, stride: int) -> ov.Output:
    """An inverted residual: widen, filter each channel, narrow; added to its input where the shapes agree."""
    width = x.get_partial_shape()[1].get_length()
    y = x
    if stage.expansion != 1:
        y = _relu6(builder.convolution(y, f"{prefix}._expand_conv", f"{prefix}._bn0", width * stage.expansion))
    y = _relu6(builder.depthwise(y, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stage.kernel, stride))
    y = builder.convolution(y, f"{prefix}._project_conv", f"{prefix}._bn2", stage.width).output(0)
    return ops.add(x, y).output(0) if stride == 1 and width == stage.width else y


def build(tensors: Mapping[str, np.ndarray]) -> ov.Model:
    """Returns the graph from "input", f32 [1,224,224,3], RGB as (x - 127) / 128, to "probabilities", f32 [1,1000]."""
    builder = _Builder(tensors)
    image = ops.parameter([1, SIZE, SIZE, 3], np.float32, name="input")
    image.output(0).set_names({"input"})

    x = ops.transpose(image, np.array([0, 3, 1, 2])).output(0)
    x = _relu6(builder.convolution(x, "_conv_stem", "_bn0", STEM_WIDTH, kernel=3, stride=2))
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = _block(builder, x, f"_blocks.{index}", stage, stage.stride if repeat == 0 else 1)
            index += 1
    x = _relu6(builder.convolution(x, "_conv_head", "_bn1", HEAD_WIDTH))

    features = ops.reduce_mean(x, np.array([2, 3]), keep_dims=False)
    weights = builder.take("_fc.weight", CLASSES, HEAD_WIDTH)
    logits = ops.matmul(features, weights, transpose_a=False, transpose_b=True)
    logits = ops.add(logits, builder.take("_fc.bias", CLASSES).reshape(1, -1))
    probabilities = ops.softmax(logits, axis=1, name="probabilities")
    probabilities.output(0).set_names({"probabilities"})
    return ov.Model([probabilities], [image], "efficientnet-lite0")
