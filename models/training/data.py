"""The labelled films: which are used for what, how a film becomes the network input, and augmentation.

`network_input` is the chain "window" of the model package for a film that is already 8-bit gray: the same padding
and the same triangle filter as the node, so training and serving see the same pixels.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

SIZE = 224
MEAN = 0.5
STD = 0.25
ADULT_AGE = 18


@dataclass(frozen=True)
class Film:
    """One row of labels.csv. `positive` is None where the source gives no label for the film itself."""

    path: Path
    source: str
    split: str
    positive: bool | None
    age: float | None
    src_bytes: float | None

    @property
    def adult(self) -> bool:
        return self.source == "mhh" or (self.age is not None and self.age >= ADULT_AGE)


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_films(data: Path) -> list[Film]:
    """All rows of labels.csv, in file order."""
    films = []
    with open(data / "labels.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            labelled = row["normal"] == "1" or row["pneumonia"] == "1"
            films.append(
                Film(
                    path=data / row["file"],
                    source=row["source"],
                    split=row["split"],
                    positive=row["pneumonia"] == "1" if labelled else None,
                    age=number(row["age"]),
                    src_bytes=number(row["src_bytes"]),
                )
            )
    check_groups(data)
    return films


def check_groups(data: Path) -> None:
    """Refuses a table in which one patient (or a near-duplicate film) is in two parts."""
    seen: dict[str, str] = {}
    with open(data / "labels.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            if seen.setdefault(row["group"], row["split"]) != row["split"]:
                raise SystemExit(f"labels.csv: group {row['group']} is in two parts")


def network_input(gray: Image.Image, size: int = SIZE) -> np.ndarray:
    """8-bit gray film -> float32 [size, size] in [0, 1]: pad to a square with 0, triangle filter."""
    pixels = np.asarray(gray.convert("L"), dtype=np.float32) / 255
    height, width = pixels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side), dtype=np.float32)
    square[top : top + height, left : left + width] = pixels
    if side == size:
        return square
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BILINEAR))


def load_inputs(films: list[Film]) -> Tensor:
    """Float32 [N, 1, SIZE, SIZE] in [0, 1]: what the node would compute, for evaluation."""
    inputs = torch.empty(len(films), 1, SIZE, SIZE)
    for i, film in enumerate(films):
        with Image.open(film.path) as image:
            inputs[i, 0] = torch.from_numpy(network_input(image).copy())
    return inputs


def load_bytes(films: list[Film]) -> Tensor:
    """The same rounded to 8 bits: a quarter of the memory, enough for augmented training."""
    inputs = torch.empty(len(films), 1, SIZE, SIZE, dtype=torch.uint8)
    for start in range(0, len(films), 256):
        part = films[start : start + 256]
        inputs[start : start + len(part)] = (load_inputs(part) * 255).round().clamp(0, 255).byte()
    return inputs


def normalise(unit: Tensor) -> Tensor:
    """[0, 1] values -> network input."""
    return (unit - MEAN) / STD


def sampling_weights(films: list[Film], share: dict[str, float]) -> Tensor:
    """Drawing probabilities: each source its share, both classes alike inside each source."""
    weights = torch.zeros(len(films), dtype=torch.float64)
    for source, part in share.items():
        for positive in (False, True):
            rows = [
                i for i, f in enumerate(films) if f.source == source and f.positive is positive
            ]
            if not rows:
                raise SystemExit(f"no {'positive' if positive else 'negative'} film in {source}")
            weights[rows] = part / 2 / len(rows)
    return weights


def augment(unit: Tensor, random: torch.Generator) -> Tensor:
    """Shift, scale, aspect, small rotation, contrast, brightness, gamma, blur and noise.

    No mirror image: the heart lies on one side, and a mirrored film is a rarity to be noticed, not learnt.
    Aspect changes fill with black as the node's padding does. Blur and noise hide the sharpness and the noise level
    of the source, by which the sources and (in NIH) the classes can be told apart.
    """
    count = unit.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=random) * (high - low) + low

    angle = uniform(-8, 8) * torch.pi / 180
    scale = torch.exp(uniform(-0.14, 0.14))
    aspect = torch.exp(uniform(-0.10, 0.10))
    sx, sy = scale * aspect, scale / aspect
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = torch.cos(angle) * sx, -torch.sin(angle) * sx
    matrix[:, 1, 0], matrix[:, 1, 1] = torch.sin(angle) * sy, torch.cos(angle) * sy
    matrix[:, 0, 2], matrix[:, 1, 2] = uniform(-0.08, 0.08), uniform(-0.08, 0.08)
    grid = F.affine_grid(matrix, list(unit.shape), align_corners=False)
    out = F.grid_sample(unit, grid, padding_mode="zeros", align_corners=False)

    def per_film(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    middle = out.mean((1, 2, 3), keepdim=True)
    out = (out - middle) * per_film(torch.exp(uniform(-0.3, 0.3))) + middle
    out = (out + per_film(uniform(-0.12, 0.12))).clamp(0, 1)
    out = out.pow(per_film(torch.exp(uniform(-0.25, 0.25))))
    soft = F.avg_pool2d(out, 3, stride=1, padding=1, count_include_pad=False)
    out = torch.lerp(out, soft, per_film(uniform(0, 1)))
    noise = torch.randn(out.shape, generator=random) * per_film(uniform(0, 0.03))
    return (out + noise).clamp(0, 1)
