"""One engine of `make bench-infer`: `infer_peer.py onnxruntime|openvino|openvino-bf16|torch PACKAGE_DIR THREADS BATCH INPUT.f32`.

Says when it is ready as one line of JSON, then for each line with a number on standard input runs the batch so often and
answers with the milliseconds of each run; for `logits` with the logits. Weights and input are those of our own engine.
"""

import json
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


def anonymous_kib() -> int:
    """Anonymous memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1])


def onnx_model(package: Path, shape: tuple[int, ...]) -> bytes:
    """The network of a package as ONNX, layer by layer as torchvision's DenseNet computes it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.numpy import load_file

    manifest = tomllib.loads((package / "manifest.toml").read_text())
    weights = load_file(package / manifest["weights"]["file"])
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def norm_relu(x: str, name: str) -> str:
        parts = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        return add("Relu", [add("BatchNormalization", [x, *parts], epsilon=1e-5)])

    def conv(x: str, name: str, pad: int = 0, stride: int = 1) -> str:
        side = weights[f"{name}.weight"].shape[2]
        attributes = {"kernel_shape": [side, side], "pads": [pad] * 4, "strides": [stride, stride]}
        return add("Conv", [x, f"{name}.weight"], **attributes)

    x = norm_relu(conv("input", "features.conv0", 3, 2), "features.norm0")
    x = add("MaxPool", [x], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    blocks = manifest["architecture"]["block_config"]
    for b, layers in enumerate(blocks, 1):
        for layer in range(1, layers + 1):
            name = f"features.denseblock{b}.denselayer{layer}"
            y = conv(norm_relu(x, f"{name}.norm1"), f"{name}.conv1")
            x = add("Concat", [x, conv(norm_relu(y, f"{name}.norm2"), f"{name}.conv2", 1)], axis=1)
        if b < len(blocks):
            x = conv(norm_relu(x, f"features.transition{b}.norm"), f"features.transition{b}.conv")
            x = add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = add("Flatten", [add("GlobalAveragePool", [norm_relu(x, "features.norm5")])])
    nodes.append(helper.make_node("Gemm", [x, "classifier.weight", "classifier.bias"], ["logits"], transB=1))
    used = {name for node in nodes for name in node.input}
    tensors = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items() if k in used]
    classes = weights["classifier.bias"].shape[0]
    graph = helper.make_graph(
        nodes,
        "densenet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (shape[0], classes))],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnxruntime(package: Path, threads: int, shape: tuple[int, ...]) -> Run:
    """ONNX Runtime with all optimizations on so many threads."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(onnx_model(package, shape), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0]


def openvino(package: Path, threads: int, shape: tuple[int, ...], precision: str) -> Run:
    """OpenVINO's CPU plugin, tuned for latency, or for throughput where a batch is given."""
    import openvino as ov

    model = ov.Core().read_model(onnx_model(package, shape))
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True)[0]


def torch_eager(package: Path, threads: int, shape: tuple[int, ...]) -> Run:
    """PyTorch, eager, channels last."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models/training"))
    import torch
    from densenet import DenseNet
    from export import load_stored
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    manifest = tomllib.loads((package / "manifest.toml").read_text())
    architecture = {k: v for k, v in manifest["architecture"].items() if k != "family"}
    model = DenseNet(**architecture, classes=len(manifest["label"]))
    load_stored(model, load_file(package / manifest["weights"]["file"]))
    model = model.eval().to(memory_format=torch.channels_last)

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()

    return run


def main() -> None:
    engine, package, threads, batch, path = sys.argv[1:]
    values = np.fromfile(path, np.float32)
    manifest = tomllib.loads((Path(package) / "manifest.toml").read_text())
    channels, size = manifest["architecture"]["in_channels"], manifest["input"]["size"]
    x = values.reshape(int(batch), channels, size, size)
    before, start = anonymous_kib(), time.perf_counter()
    match engine:
        case "onnxruntime":
            run = onnxruntime(Path(package), int(threads), x.shape)
        case "openvino":
            run = openvino(Path(package), int(threads), x.shape, "f32")
        case "openvino-bf16":
            run = openvino(Path(package), int(threads), x.shape, "bf16")
        case "torch":
            run = torch_eager(Path(package), int(threads), x.shape)
        case _:
            sys.exit(f"no engine {engine!r}")
    load = (time.perf_counter() - start) * 1e3
    logits = run(x).tolist()
    print(json.dumps({"load_ms": load, "grown_kib": anonymous_kib() - before}), flush=True)
    for line in sys.stdin:
        if line.strip() == "logits":
            print(json.dumps(logits), flush=True)
            continue
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run(x)
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
