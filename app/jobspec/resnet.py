"""The residual network for small images: He, Zhang, Ren, Sun, "Deep Residual Learning for Image
Recognition", CVPR 2016, section 4.2.

A 3x3 convolution, then three stages of residual blocks, each of two 3x3 convolutions with batch
normalization; then the mean of each channel and the output layer. The second and the third stage
halve the image and double the channels. Where they do, the shortcut is a 1x1 convolution (option B
of the paper). For these networks the paper pads with channels of zeros (option A); a convolution
adds 1% of weights, and is an ordinary layer wherever the exported graph runs.
"""

from app.jobspec.layers import (
    Activation,
    BatchNorm,
    Convolution,
    Function,
    GlobalAveragePool,
    Layer,
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


def _block(inputs: Shape, activation: Function, *, halves: bool) -> list[Layer]:
    channels, rows, columns = inputs
    shape = (2 * channels, -(-rows // 2), -(-columns // 2)) if halves else inputs
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
