"""A trained network as an ONNX graph, written from its description: no tracer and no exporter.

`Model.layers` says what the network is, and the modules that were built from it hold its weights.
Opset 17 is the newest that needs no newer runtime than 2022's: gelu is written out with Erf.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn

from app.jobspec.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    BinaryLogits,
    Convolution,
    Dropout,
    Flatten,
    Function,
    GlobalAveragePool,
    Layer,
    Linear,
    MaxPool,
    Residual,
    Standardize,
)
from worker.training.dataset import Description, TableDescription
from worker.training.inputs import Rows
from worker.training.networks import ResidualBlock

OPSET = 17
IR_VERSION = 8
"""The format that came with this opset."""
BATCH = "batch"
"""Name of the free dimension."""
OPERATORS: dict[Function, str] = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "leaky_relu": "LeakyRelu",
}
"""Activations that are one operator; LeakyRelu's slope is 0.01 in ONNX and in torch."""


def written(
    net: nn.Sequential, layers: Sequence[Layer], description: Description | TableDescription
) -> bytes:
    """The graph to `probabilities`, float32 (B, classes).

    It takes `pixels`, float32 (B, C, H, W) in the dataset's pixel range; of a table `numbers`,
    float32 (B, n), NaN where they are missing, and `categories`, int64 (B, c), the places of the
    values: of these two what the table has. What the network sees of them is worked out inside.

    `layers` describe the network: a module for each.

    Raises:
        TypeError: there is a layer that is not written here.
        onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    graph = Graph()
    if isinstance(description, TableDescription):
        inputs, signal = graph.rows(description)
    else:
        inputs, signal = graph.pixels(description)
    logits = graph.sequence(net, layers, signal)
    graph.add("Softmax", [logits], output="probabilities", axis=1)
    classes: list[str | int | None] = [BATCH, len(description.classes)]
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, classes)
    model = graph.model(inputs, [probabilities])
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _input(name: str, kind: int, *shape: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [BATCH, *shape])


class Graph:
    """A graph that grows node by node; a signal is the name of a node's output."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def add(
        self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Adds a node, and returns its output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [name], name, **attributes)
        self._nodes.append(node)
        return name

    def constant(self, values: Tensor | NDArray[np.generic]) -> str:
        """Adds numbers that the graph holds, and returns their name."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(self, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """The whole."""
        graph = helper.make_graph(self._nodes, "traind", inputs, outputs, self._constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="traind"
        )

    def pixels(self, description: Description) -> tuple[list[ValueInfoProto], str]:
        """The input, and (pixel / highest - mean) / std by channel, as `PixelScale` has it."""
        mean, std = (
            np.array(each, np.float64).reshape(-1, 1, 1)
            for each in (description.mean, description.std)
        )
        scale = self.constant((1 / (description.pixel_range[1] * std)).astype(np.float32))
        shift = self.constant((-mean / std).astype(np.float32))
        given = _input("pixels", TensorProto.FLOAT, *description.input_shape)
        return [given], self.add("Add", [self.add("Mul", ["pixels", scale]), shift])

    def rows(self, description: TableDescription) -> tuple[list[ValueInfoProto], str]:
        """The inputs, and what the network sees of them, as `inputs.Rows` has it."""
        given, seen = [], []
        rows = Rows(description)
        if numbers := len(rows.shift):
            given.append(_input("numbers", TensorProto.FLOAT, numbers))
            missing = self.add("IsNaN", ["numbers"])
            shifted = self.add("Sub", ["numbers", self.constant(rows.shift)])
            scaled = self.add("Mul", [shifted, self.constant(rows.scale)])
            zero = self.constant(np.zeros((), np.float32))
            seen.append(self.add("Where", [missing, zero, scaled]))
            if len(rows.lacking):
                lacking = self.add("Gather", [missing, self.constant(rows.lacking)], axis=1)
                seen.append(self.add("Cast", [lacking], to=TensorProto.FLOAT))
        if categories := len(rows.categories):
            given.append(_input("categories", TensorProto.INT64, categories))
            each = self.add("Gather", ["categories", self.constant(rows.column)], axis=1)
            places = self.add("Equal", [each, self.constant(rows.place)])
            seen.append(self.add("Cast", [places], to=TensorProto.FLOAT))
        return given, self.add("Concat", seen, axis=1)

    def sequence(self, net: nn.Sequential, layers: Sequence[Layer], signal: str) -> str:
        """Adds layers, each with the module that holds its weights."""
        for module, layer in zip(net, layers, strict=True):
            signal = self._layer(module, layer, signal)
        return signal

    def _layer(self, module: nn.Module, layer: Layer, signal: str) -> str:
        match layer, module:
            case Convolution(), nn.Conv2d():
                around = [layer.kernel // 2] * 4
                weights = self._weights(module)
                strides = [layer.stride] * 2
                return self.add("Conv", [signal, *weights], pads=around, strides=strides)
            case Linear(), nn.Linear():
                return self.add("Gemm", [signal, *self._weights(module)], transB=1)
            case BatchNorm(), nn.BatchNorm1d() | nn.BatchNorm2d():
                return self._batch_norm(module, signal)
            case Activation(), _:
                return self._activation(layer.function, signal)
            case MaxPool(), _:
                sides, strides = [layer.size] * 2, [layer.stride or layer.size] * 2
                around = [layer.padding] * 4
                return self.add(
                    "MaxPool", [signal], kernel_shape=sides, strides=strides, pads=around
                )
            case AveragePool(), _:
                sides = [layer.size] * 2
                return self.add("AveragePool", [signal], kernel_shape=sides, strides=sides)
            case GlobalAveragePool(), _:
                return self.add("Flatten", [self.add("GlobalAveragePool", [signal])])
            case Residual(), ResidualBlock():
                body = self.sequence(module.body, layer.body, signal)
                return self.add(
                    "Add", [body, self.sequence(module.shortcut, layer.shortcut, signal)]
                )
            case Standardize(), _:
                return self._scaled(layer, signal)
            case Flatten(), _:
                return self.add("Flatten", [signal])
            case BinaryLogits(), _:
                return self.add("Concat", [self.add("Sub", [signal, signal]), signal], axis=1)
            case Dropout(), _:  # only while training
                return signal
        raise TypeError(f"no operator is written for {layer}")

    def _scaled(self, layer: Standardize, signal: str) -> str:
        mean, std = (
            self.constant(np.array(each, np.float32).reshape(-1, 1, 1))
            for each in (layer.mean, layer.std)
        )
        return self.add("Div", [self.add("Sub", [signal, mean]), std])

    def _weights(self, module: nn.Linear | nn.Conv2d) -> list[str]:
        bias = [] if module.bias is None else [self.constant(module.bias)]
        return [self.constant(module.weight), *bias]

    def _batch_norm(self, module: nn.BatchNorm1d | nn.BatchNorm2d, signal: str) -> str:
        held = (module.weight, module.bias, module.running_mean, module.running_var)
        numbers = [self.constant(each) for each in held if each is not None]
        return self.add("BatchNormalization", [signal, *numbers], epsilon=module.eps)

    def _activation(self, function: Function, signal: str) -> str:
        if function == "none":
            return signal
        if function != "gelu":
            return self.add(OPERATORS[function], [signal])
        # z Phi(z), Phi(z) = (1 + erf(z / sqrt 2)) / 2
        half, one, root = (
            self.constant(np.array(number, np.float32)) for number in (0.5, 1.0, 2**-0.5)
        )
        error = self.add("Erf", [self.add("Mul", [signal, root])])
        probability = self.add("Mul", [self.add("Add", [error, one]), half])
        return self.add("Mul", [signal, probability])
