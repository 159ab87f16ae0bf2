"""Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.

`layers` is the one for small images of section 4.2. A 3x3 convolution, then three stages of
residual blocks, each of two 3x3 convolutions with batch normalization; then the mean of each
channel and the output layer. The second and the third stage halve the image and double the
channels. Where they do, the shortcut is a 1x1 convolution (option B of the paper). For these
networks the paper pads with channels of zeros (option A); a convolution adds 1% of weights, and is
an ordinary layer wherever the exported graph runs.

`resnet18` is the one with 18 layers of table 1, as torchvision has it.
"""

from app.jobspec.layers import (
    Activation,
    BatchNorm,
    Convolution,
    Function,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    Shape,
)

STAGES = 3
KERNEL = 3


def layers(inputs: Shape, blocks: int, width: int, activation: Function) -> list[Layer]:
    """From images to the mean of each channel, (4 * width,), with `blocks` blocks a stage."""
    shape = (width, *inputs[1:])
    made = [*_normalized(inputs, shape, activation), Activation(shape, shape, activation)]
    for stage in range(STAGES):
        for number in range(blocks):
            made += _block(shape, activation, halves=stage > 0 and number == 0)
            shape = made[-1].outputs
    return [*made, GlobalAveragePool(shape, shape[:1])]


def resnet18(inputs: Shape) -> list[Layer]:
    """From images to the mean of each of 512 channels, (512,)."""
    convolved = (64, *_halved(inputs))
    shape = (64, *_halved(convolved))
    made: list[Layer] = [
        *_normalized(inputs, convolved, "relu", stride=2, kernel=7),
        Activation(convolved, convolved, "relu"),
        MaxPool(convolved, shape, 3, stride=2, padding=1),
    ]
    for stage in range(4):
        for number in range(2):
            made += _block(shape, "relu", halves=stage > 0 and number == 0)
            shape = made[-1].outputs
    return [*made, GlobalAveragePool(shape, shape[:1])]


def _halved(shape: Shape) -> Shape:
    """Rows and columns behind a layer of stride 2."""
    return tuple(-(-side // 2) for side in shape[1:])


def _block(inputs: Shape, activation: Function, *, halves: bool) -> list[Layer]:
    shape = (2 * inputs[0], *_halved(inputs)) if halves else inputs
    stride = 2 if halves else 1
    body = (
        *_normalized(inputs, shape, activation, stride),
        Activation(shape, shape, activation),
        *_normalized(shape, shape, activation),
    )
    shortcut = tuple(_normalized(inputs, shape, "none", stride, kernel=1)) if halves else ()
    return [Residual(inputs, shape, body, shortcut), Activation(shape, shape, activation)]


def _normalized(
    inputs: Shape, outputs: Shape, feeds: Function, stride: int = 1, kernel: int = KERNEL
) -> list[Layer]:
    """A convolution without bias, and batch normalization, which has one."""
    convolution = Convolution(inputs, outputs, kernel, feeds, stride, bias=False)
    return [convolution, BatchNorm(outputs, outputs)]
