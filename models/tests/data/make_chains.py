"""Makes torchxrayvision.json, imagenet.json and op_norm.json: what the toolkits give for small films and logits.

Run with the environment of models/training: `python models/tests/data/make_chains.py`. The results are committed.
"""

import json
from pathlib import Path

import numpy as np
import PIL
import skimage
import torch
import torchvision
import torchxrayvision as xrv
from PIL import Image

HERE = Path(__file__).parent
PATTERN = "v[y][x] = (37x + 91y + 13(xy mod 251)) mod 2^bits"
# width, height, bits, size, MONOCHROME1: shrinking, growing, equal, odd crops on either side.
XRAY = [
    (37, 53, 12, 16, False),
    (64, 48, 8, 17, True),
    (51, 30, 10, 30, False),
    (5, 4, 16, 12, False),
    (257, 301, 14, 24, True),
    (20, 21, 12, 20, True),
    (300, 71, 15, 19, False),
    (90, 200, 9, 8, True),
]
IMAGENET = [(37, 53, 16), (64, 48, 14), (50, 31, 15), (12, 17, 21), (257, 300, 13), (16, 16, 14), (20, 33, 9)]


def pattern(width: int, height: int, bits: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return ((37 * x + 91 * y + 13 * ((x * y) % 251)) % 2**bits).astype(np.uint16)


def shortest(values: np.ndarray) -> list[float]:
    return [float(np.format_float_positional(v, unique=True)) for v in values.astype(np.float32).ravel()]


def write(name: str, about: str, cases: list[dict]) -> None:
    text = json.dumps({"about": about, "cases": cases}, separators=(",", ":")).replace('{"width"', '\n{"width"')
    (HERE / name).write_text(text + "\n")


def xray() -> None:
    cases = []
    for width, height, bits, size, inverted in XRAY:
        stored = pattern(width, height, bits)
        full = 2**bits - 1
        image = xrv.utils.normalize(full - stored if inverted else stored, full)
        image = xrv.datasets.XRayCenterCrop()(image[None])
        image = xrv.datasets.XRayResizer(size)(image)
        case = {"width": width, "height": height, "bits": bits, "size": size, "monochrome1": inverted}
        cases.append({**case, "values": shortest(image)})
    versions = f"torchxrayvision {xrv.__version__}, scikit-image {skimage.__version__}"
    write("torchxrayvision.json", f"{versions}; stored values {PATTERN}", cases)


def imagenet() -> None:
    transforms = torchvision.transforms
    cases = []
    for width, height, size in IMAGENET:
        gray = (pattern(width, height, 12) / np.float32(4095)).astype(np.float32)
        image = transforms.CenterCrop(size)(transforms.Resize(size * 8 // 7)(Image.fromarray(gray)))
        planes = torch.from_numpy(np.array(image))[None].repeat(3, 1, 1)
        planes = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(planes)
        cases.append({"width": width, "height": height, "size": size, "values": shortest(planes.numpy())})
    versions = f"torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
    write("imagenet.json", f"{versions}; grey is {PATTERN} / 4095, bits = 12", cases)


def op_norm() -> None:
    entry = xrv.models.model_urls["all"]
    thresholds = torch.tensor(entry["op_threshs"])
    logits = torch.linspace(-12, 8, 48)[:, None] + torch.linspace(-0.4, 0.4, len(thresholds))
    probabilities = xrv.models.op_norm(torch.sigmoid(logits), thresholds)
    golden = {
        "about": f"torchxrayvision {xrv.__version__}, op_norm(sigmoid(logits), thresholds)",
        "thresholds": shortest(thresholds.numpy()),
        "logits": [shortest(row) for row in logits.numpy()],
        "probabilities": [shortest(row) for row in probabilities.numpy()],
    }
    (HERE / "op_norm.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


xray()
imagenet()
op_norm()
