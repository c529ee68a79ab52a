# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "onnx>=1.16"]
# ///
"""Create the built-in model of `matenv bench` and its expected output.

The model is a UNet like the backbone of a SLEAP centroid model: 16 filters, filter rate 1.5, maximum stride 8,
output stride 4, two convolutions per block, one confidence map. Its weights are random but fixed, so the model contains
no data of a lab. This script writes three files to the folder in its argument; the default is `assets/bench`:

    unet.onnx             the model; its batch axis is named `batch`, all other axes are fixed
    unet-reference.f32    its output for one image, little-endian float32, computed here in float64 with numpy alone
    unet.json             shapes, the first numbers of the image, and the position of each initializer in the model file

This script does not use ONNX Runtime, so the expected output is independent of it.
"""

import json
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper

HEIGHT = WIDTH = 384
# ONNX Runtime 1.18 and later read these versions.
IR_VERSION, OPSET = 8, 17


def lcg(seed, count):
    """Return `count` numbers in [0, 1) with 24 bits each, exact in float32. The same as in `src/bench/input.rs`."""
    state, numbers = seed, numpy.empty(count, numpy.float64)
    for index in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        numbers[index] = (state >> 8) / 16777216
    return numbers


class Unet:
    """Builds the graph and computes the reference in one pass, layer by layer."""

    def __init__(self):
        self.nodes, self.initializers, self.seed = [], [], 1000

    def keep(self, name, values):
        """Store `values` as an initializer and return them, rounded to float32."""
        values = values.astype("<f4")
        self.initializers.append(helper.make_tensor(name, TensorProto.FLOAT, values.shape, values.tobytes(), raw=True))
        return values.astype(numpy.float64)

    def layer(self, name, shape, out_axis, linear):
        """Generate a layer's weights, store them, and return its output.

        Signs are random and magnitudes are in [0.5, 1), so a wrong weight always changes the output. Then each channel
        is scaled and shifted to mean 0 and standard deviation 1, so every ReLU is active for some of the pixels.
        """
        self.seed += 1
        numbers = lcg(self.seed, 2 * int(numpy.prod(shape))).reshape(2, *shape)
        weight = numpy.where(numbers[0] < 0.5, -1.0, 1.0) * (0.5 + numbers[1] / 2)
        drawn = linear(weight).reshape(shape[out_axis], -1)
        mean, scale = drawn.mean(axis=1), 1 / drawn.std(axis=1)
        weight *= scale.reshape([-1 if axis == out_axis else 1 for axis in range(len(shape))])
        weight, bias = self.keep(f"{name}.weight", weight), self.keep(f"{name}.bias", -mean * scale)
        return linear(weight) + bias[:, None, None]

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, x, name, out_channels, kernel=3):
        value, tensor = x
        pad, (in_channels, height, width) = kernel // 2, tensor.shape
        padded = numpy.pad(tensor, ((0, 0), (pad, pad), (pad, pad)))

        def linear(weight):
            result = numpy.zeros((out_channels, height, width))
            for row in range(kernel):
                for column in range(kernel):
                    window = padded[:, row : row + height, column : column + width]
                    result += numpy.tensordot(weight[:, :, row, column], window, axes=1)
            return result

        inputs = [value, f"{name}.weight", f"{name}.bias"]
        output = self.node("Conv", inputs, name, pads=[pad] * 4, kernel_shape=[kernel] * 2)
        return output, self.layer(name, (out_channels, in_channels, kernel, kernel), 0, linear)

    def relu(self, x):
        return self.node("Relu", [x[0]], f"{x[0]}.relu"), numpy.maximum(x[1], 0)

    def pool(self, x, name):
        channels, height, width = x[1].shape
        output = self.node("MaxPool", [x[0]], name, kernel_shape=[2, 2], strides=[2, 2])
        return output, x[1].reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))

    def transposed_convolution(self, x, name, out_channels):
        """3x3, stride 2, padding 1, output padding 1: twice the height and width."""
        value, tensor = x
        in_channels, height, width = tensor.shape

        def linear(weight):
            full = numpy.zeros((out_channels, 2 * height + 2, 2 * width + 2))
            for row in range(3):
                for column in range(3):
                    part = numpy.tensordot(weight[:, :, row, column], tensor, axes=(0, 0))
                    full[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += part
            return full[:, 1:-1, 1:-1]

        inputs = [value, f"{name}.weight", f"{name}.bias"]
        output = self.node(
            "ConvTranspose", inputs, name, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]
        )
        return output, self.layer(name, (in_channels, out_channels, 3, 3), 1, linear)

    def concatenation(self, x, y, name):
        return self.node("Concat", [x[0], y[0]], name, axis=1), numpy.concatenate([x[1], y[1]])


def build():
    image = lcg(1, HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH)
    net = Unet()
    x, skips = ("image", image), []
    for level, filters in enumerate((16, 24, 36)):
        x = net.relu(net.convolution(x, f"enc{level}.conv0", filters))
        x = net.relu(net.convolution(x, f"enc{level}.conv1", filters))
        skips.append(x)
        x = net.pool(x, f"enc{level}.pool")
    x = net.relu(net.convolution(x, "middle.expand", 54))
    x = net.relu(net.convolution(x, "middle.contract", 54))
    x = net.relu(net.transposed_convolution(x, "dec0.up", 36))
    x = net.concatenation(skips[-1], x, "dec0.join")
    x = net.relu(net.convolution(x, "dec0.conv0", 36))
    x = net.relu(net.convolution(x, "dec0.conv1", 36))
    output, reference = net.convolution(x, "confmaps", 1, kernel=1)
    graph = helper.make_graph(
        net.nodes,
        "matenv-bench-unet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *reference.shape])],
        net.initializers,
    )
    model = helper.make_model(graph, producer_name="matenv", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model, image, reference


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "assets" / "bench"
    model, image, reference = build()
    data = model.SerializeToString()
    initializers = [
        {"name": tensor.name, "count": len(tensor.raw_data) // 4, "offset": data.index(tensor.raw_data)}
        for tensor in model.graph.initializer
    ]
    facts = {
        "input": [1, *image.shape],
        "output": [1, *reference.shape],
        "image_starts": [float(number) for number in image.ravel()[:4]],
        "image_ends": float(image.ravel()[-1]),
        "parameters": sum(tensor["count"] for tensor in initializers),
        "initializers": initializers,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unet.onnx").write_bytes(data)
    (folder / "unet-reference.f32").write_bytes(reference.astype("<f4").tobytes())
    (folder / "unet.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(f"{folder}/unet.onnx: {len(data)} bytes, {facts['parameters']} parameters, opset {OPSET}, IR {IR_VERSION}")
    print(f"{folder}/unet-reference.f32: {reference.size} numbers from {reference.min():.3f} to {reference.max():.3f}")


if __name__ == "__main__":
    main()
