"""Make the benchmark's model and the output that it must give.

The model is a UNet like the backbone of a small SLEAP centroid model: 16 filters, rate 1.5, max stride 8, output stride
4, one 384 x 384 channel in, one 96 x 96 map out, weights from a fixed seed. The reference is computed by PyTorch in
double precision, not by ONNX Runtime. Needs numpy, onnx and torch; writes assets/bench/unet.onnx and unet.reference.
"""

import pathlib
import struct

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent.parent / "assets" / "bench"
SIZE = 384
FILTERS = [16, 24, 36, 54]
# Read by ONNX Runtime 1.18, the oldest that the bench loads.
OPSET, IR = 17, 8


def pattern(count: int) -> np.ndarray:
    """The input: exact in single precision, and the same few integer operations in src/bench/pattern.rs."""
    index = np.arange(count, dtype=np.uint64)
    return ((index * 40503 + 12345) % 65536).astype(np.float32) / np.float32(65536.0)


def main() -> None:
    rng = np.random.default_rng(20261124)
    weights: dict[str, np.ndarray] = {}
    nodes = []
    # The same network as torch calls, filled while the nodes are made.
    steps = []

    def conv(name: str, source: str, cin: int, cout: int, kernel: int, relu: bool) -> str:
        scale = np.sqrt(2.0 / (cin * kernel * kernel))
        weights[f"{name}.w"] = (rng.standard_normal((cout, cin, kernel, kernel)) * scale).astype(np.float32)
        # Positive, so that no channel is dead behind its Relu and hides a changed weight.
        weights[f"{name}.b"] = (0.2 + np.abs(rng.standard_normal(cout)) * 0.05).astype(np.float32)
        pad = kernel // 2
        nodes.append(
            helper.make_node("Conv", [source, f"{name}.w", f"{name}.b"], [name], name=name, pads=[pad] * 4)
        )
        steps.append(("conv", name, source, pad))
        if not relu:
            return name
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        steps.append(("relu", f"{name}.relu", name, None))
        return f"{name}.relu"

    def pool(name: str, source: str) -> str:
        nodes.append(helper.make_node("MaxPool", [source], [name], kernel_shape=[2, 2], strides=[2, 2]))
        steps.append(("pool", name, source, None))
        return name

    at, channels, skip = "image", 1, ""
    for level, width in enumerate(FILTERS):
        if level:
            at = pool(f"pool{level}", at)
        at = conv(f"down{level}a", at, channels, width, 3, relu=True)
        at = conv(f"down{level}b", at, width, width, 3, relu=True)
        channels = width
        if level == 2:
            skip = at
    weights["up.w"] = (rng.standard_normal((54, 36, 2, 2)) * np.sqrt(1.0 / 54)).astype(np.float32)
    weights["up.b"] = (rng.standard_normal(36) * 0.05).astype(np.float32)
    nodes.append(helper.make_node("ConvTranspose", [at, "up.w", "up.b"], ["up"], strides=[2, 2]))
    steps.append(("up", "up", at, None))
    nodes.append(helper.make_node("Concat", ["up", skip], ["joined"], axis=1))
    steps.append(("join", "joined", ("up", skip), None))
    at = conv("refine_a", "joined", 72, 36, 3, relu=True)
    at = conv("refine_b", at, 36, 36, 3, relu=True)
    at = conv("head", at, 36, 1, 1, relu=False)

    graph = helper.make_graph(
        nodes,
        "matenv-bench-unet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["batch", 1, SIZE // 4, SIZE // 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="matenv")
    model.ir_version = IR
    onnx.checker.check_model(model, full_check=True)

    def reference(changed: dict[str, np.ndarray]) -> np.ndarray:
        w = {name: torch.from_numpy(value).double() for name, value in changed.items()}
        image = torch.from_numpy(pattern(SIZE * SIZE)).double().reshape(1, 1, SIZE, SIZE)
        values = {"image": image}
        for kind, name, source, pad in steps:
            if kind == "conv":
                values[name] = F.conv2d(values[source], w[f"{name}.w"], w[f"{name}.b"], padding=pad)
            elif kind == "relu":
                values[name] = F.relu(values[source])
            elif kind == "pool":
                values[name] = F.max_pool2d(values[source], 2)
            elif kind == "up":
                values[name] = F.conv_transpose2d(values[source], w["up.w"], w["up.b"], stride=2)
            else:
                values[name] = torch.cat([values[part] for part in source], dim=1)
        return values[at].numpy().astype(np.float32).ravel()

    output = reference(weights)
    FOLDER.mkdir(parents=True, exist_ok=True)
    onnx.save(model, FOLDER / "unet.onnx")
    (FOLDER / "unet.reference").write_bytes(struct.pack(f"<{output.size}f", *output))
    print(f"{sum(value.size for value in weights.values())} weights, output from {output.min():.3f} to {output.max():.3f}")

    # A check that no weight can fail is none: change some of each layer by their layer's spread.
    dead = 0
    tried = 0
    for name, value in weights.items():
        for index in rng.choice(value.size, size=min(3, value.size), replace=False):
            changed = dict(weights)
            changed[name] = value.copy()
            changed[name].ravel()[index] += max(float(value.std()), 0.05)
            moved = np.abs(reference(changed) - output).max()
            tried += 1
            dead += moved < 2e-4
    print(f"{tried - dead} of {tried} changes of single weights move the output by more than 2e-4")


if __name__ == "__main__":
    main()
