"""Builds `test-synthetic-map`: a hand-made DenseNet whose class activation map is known beforehand.

`python models/training/make_synthetic_map.py --out models/test-synthetic-map-1.0.0`

Nothing is trained. Three stem channels measure the local mean brightness m (4 x 4 pixels); two of them make a ramp that is
0 below LOW and 1 above HIGH; the dense layers smooth it, and the map is what is left above CUT. A phantom with
one opacity brighter than HIGH must therefore give one region on it, which proves the way from pixels to coordinates.
`check` draws such phantoms and measures exactly that; the package is not written if it fails.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from boxes import iou
from data import MEAN, SIZE, STD, network_input, normalise
from densenet import DenseNet
from export import Label, Package, write_package

LOW, HIGH = 0.84, 0.92
CUT = 0.1
# The 3x3 kernel of the smoothing is the outer product of this with itself.
SMOOTH = [0.125, 0.75, 0.125]
# The map's weight and the bias: a lit area of 0.4 % of the square gives p = 0.5.
GAIN, BIAS = 600.0, -2.4
# A trace of plain brightness, so that the golden logit depends on every layer and not on the bias alone.
TRACE = 0.1
REGION = 0.55
MIN_IOU = 0.7


def set_norm(norm: nn.BatchNorm2d, scale: list[float], shift: list[float]) -> None:
    """Makes the layer exactly scale * x + shift."""
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.copy_(torch.tensor(scale))
    norm.bias.copy_(torch.tensor(shift))


def build() -> DenseNet:
    """Two blocks of one layer, three stem channels, growth 1: the map has 28 x 28 cells of 8 pixels."""
    model = DenseNet(growth_rate=1, block_config=[1, 1], init_features=3, bn_size=2)
    f = model.features
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        # Taps 3..6 are pixels 2i..2i+3; the 3x3 pool then sees exactly the cell's 4 pixels and 2 on each side.
        f.conv0.weight[:, 0, 3:, 3:] = 1 / 16
        slope = STD / (HIGH - LOW)
        set_norm(
            f.norm0,
            [slope, slope, STD],
            [(MEAN - LOW) / (HIGH - LOW), (MEAN - HIGH) / (HIGH - LOW), MEAN],
        )
        first = f.denseblock1.denselayer1
        set_norm(first.norm1, [1.0] * 3, [0.0] * 3)
        first.conv1.weight[0, :2, 0, 0] = torch.tensor([1.0, -1.0])
        set_norm(first.norm2, [1.0] * 2, [0.0] * 2)
        first.conv2.weight[0, 0] = torch.tensor(SMOOTH).outer(torch.tensor(SMOOTH))
        # Channels are now: above LOW, above HIGH, brightness, smoothed ramp.
        set_norm(f.transition1.norm, [1.0] * 4, [0.0] * 4)
        f.transition1.conv.weight[0, 3] = 1
        f.transition1.conv.weight[1, 2] = 1
        second = f.denseblock2.denselayer1
        set_norm(second.norm1, [1.0] * 2, [0.0] * 2)
        second.conv1.weight[0, 0] = 1
        set_norm(second.norm2, [1 / (1 - CUT)] * 2, [-CUT / (1 - CUT)] * 2)
        second.conv2.weight[0, 0, 1, 1] = 1
        set_norm(f.norm5, [1.0] * 3, [0.0] * 3)
        model.classifier.weight.copy_(torch.tensor([[0.0, TRACE, GAIN]]))
        model.classifier.bias.fill_(BIAS)
    return model.eval()


@dataclass(frozen=True)
class Phantom:
    """A drawn film and the box of its opacity, x0 y0 x1 y1 in pixels, or None."""

    pixels: np.ndarray
    box: tuple[float, float, float, float] | None


def draw(random: np.random.Generator, shape: str | None, height: int, width: int) -> Phantom:
    """Air 0.05, body 0.6-0.8, lungs 0.3-0.45, noise; an opacity of 0.95-1 where `shape` is given."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    u, v = x / width, y / height
    film = np.full((height, width), 0.05)
    film[(np.abs(u - 0.5) < 0.44) & (v > 0.04)] = random.uniform(0.6, 0.78)
    for centre in (0.29, 0.71):
        film[((u - centre) / 0.15) ** 2 + ((v - 0.48) / 0.32) ** 2 < 1] = random.uniform(0.3, 0.45)
    film += random.normal(0, 0.015, film.shape)
    film = np.minimum(film, 0.8)
    if shape is None:
        return Phantom(film, None)
    w, h = random.uniform(0.12, 0.22) * width, random.uniform(0.10, 0.2) * height
    x0 = random.uniform(0.1, 0.9) * (width - w)
    y0 = random.uniform(0.1, 0.9) * (height - h)
    if shape == "ellipse":
        inside = ((x - x0 - w / 2) / (w / 2)) ** 2 + ((y - y0 - h / 2) / (h / 2)) ** 2 < 1
    else:
        inside = (x > x0) & (x < x0 + w) & (y > y0) & (y < y0 + h)
    film[inside] = random.uniform(0.95, 1.0) + random.normal(0, 0.01, inside.sum())
    return Phantom(film.clip(0, 1), (x0, y0, x0 + w, y0 + h))


def region_box(film: np.ndarray, maps: torch.Tensor, level: float) -> tuple[float, ...]:
    """Box of what exceeds the level on the upsampled map, in the film's pixels (one opacity: no components)."""
    fine = F.interpolate(maps, size=(4 * SIZE, 4 * SIZE), mode="bilinear")[0, 0].numpy()
    rows, columns = np.nonzero(fine >= level * fine.max())
    height, width = film.shape
    side = max(height, width)
    scale = side / (4 * SIZE)
    left, top = (side - width) // 2, (side - height) // 2
    return (
        columns.min() * scale - left,
        rows.min() * scale - top,
        (columns.max() + 1) * scale - left,
        (rows.max() + 1) * scale - top,
    )


def check(model: DenseNet) -> None:
    """Draws phantoms and stops unless every opacity is found in place and nothing else is."""
    random = np.random.default_rng(7)
    with_opacity, without, overlaps = [], [], []
    for height, width in ((600, 480), (480, 600), (512, 512), (700, 420), (224, 184)):
        for shape in ["rectangle", "ellipse", None] * 6:
            phantom = draw(random, shape, height, width)
            gray = Image.fromarray((phantom.pixels.clip(0, 1) * 255).round().astype(np.uint8))
            unit = torch.from_numpy(network_input(gray).copy())[None, None]
            with torch.no_grad():
                maps = model.maps(normalise(unit))
            p = torch.sigmoid(maps.mean() + model.classifier.bias[0]).item()
            if phantom.box is None:
                without.append(p)
            else:
                with_opacity.append(p)
                overlaps.append(iou(region_box(phantom.pixels, maps, REGION), phantom.box))
    print(
        f"opacity: n {len(with_opacity)}, lowest p {min(with_opacity):.3f},"
        f" IoU lowest {min(overlaps):.3f} median {np.median(overlaps):.3f};"
        f" none: n {len(without)}, highest p {max(without):.3f}"
    )
    if min(overlaps) < MIN_IOU or min(with_opacity) < 0.8 or max(without) > 0.2:
        raise SystemExit("the maps are not where they must be")


CARD = f"""# test-synthetic-map 1.0.0

**A test instrument. Never for use on patients.** Its one answer, "Lung Opacity", means "something here is nearly white" and
nothing more: on a real film it marks the mediastinum, the abdomen, or a text marker.

Hand-made, not trained; no data were used. A DenseNet of two blocks with one layer each (growth 1, three stem channels)
whose class activation map (28 x 28 cells of 8 input pixels) is the mean brightness of each cell on a ramp from {LOW} (0) to
{HIGH} (1), smoothed, less {CUT}. It exists to prove the geometry from stored pixels to the coordinates in result
objects: on a film with one opacity brighter than {HIGH} and all else below {LOW} there must be one region, on that opacity.

Intended phantom: opacity at display value 0.95 or more over at least 12 % x 10 % of the film's sides, all else at most 0.80.
A film without opacity gives p = 0.1, with it p above 0.8; threshold 0.5.

Made and checked by
```
python models/training/make_synthetic_map.py --out models/test-synthetic-map-1.0.0
```
which draws phantoms (portrait, landscape, square; rectangles and ellipses) and refuses to write the package unless every
region's box overlaps the true box with an IoU of {MIN_IOU} or more and no film without opacity exceeds p = 0.2.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="package folder to write")
    args = parser.parse_args()
    model = build()
    check(model)
    package = Package(
        name="test-synthetic-map",
        version="1.0.0",
        title="Centinela synthetic map",
        summary="Test instrument that marks nearly white areas; never for use on patients.",
        architecture=model.architecture,
        size=SIZE,
        mean=[MEAN],
        std=[STD],
        age=(0, 120),
        temperature=None,
        labels=[Label("Lung Opacity", 0.5, REGION)],
    )
    print("golden logits", write_package(args.out, package, model, torch.float32))
    (args.out / "MODEL_CARD.md").write_text(CARD)


if __name__ == "__main__":
    main()
