"""How the class activation regions lie to the boxes that NIH's radiologists drew.

Few films have a box, and most of those are in the training part, so this is an illustration and no measurement.
The region is the node's: what exceeds a fraction of the map's maximum, here the part around the maximum.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from data import SIZE, network_input, normalise
from densenet import DenseNet

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Overlap:
    """One boxed film: is the map's maximum inside the box, and the IoU of region box and drawn box."""

    split: str
    logit: float
    inside: bool
    iou: float


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes x0 y0 x1 y1."""
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / area


def component(mask: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """The 4-connected part of the mask that holds `start`."""
    part = np.zeros_like(mask)
    part[start] = True
    while True:
        grown = part.copy()
        grown[1:] |= part[:-1]
        grown[:-1] |= part[1:]
        grown[:, 1:] |= part[:, :-1]
        grown[:, :-1] |= part[:, 1:]
        grown &= mask
        if (grown == part).all():
            return part
        part = grown


def peak_region(activation: np.ndarray, level: float) -> tuple[tuple[int, int], Box]:
    """Row and column of the maximum, and the box of the region around it."""
    row, column = np.unravel_index(int(activation.argmax()), activation.shape)
    part = component(activation >= level * activation.max(), (int(row), int(column)))
    rows, columns = np.nonzero(part)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return (int(row), int(column)), tuple(float(v) for v in box)


def overlaps(model: DenseNet, data: Path, finding: str, level: float) -> list[Overlap]:
    """One entry for each box of the finding; NIH films are square, so the square input needs only scaling."""
    found = []
    with open(data / "nih_bboxes.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            if row["Finding Label"] != finding:
                continue
            with Image.open(data / row["file"]) as image:
                scale = SIZE / image.width
                unit = torch.from_numpy(network_input(image).copy())[None, None]
            x, y, w, h = (float(row[key]) * scale for key in ("x_512", "y_512", "w_512", "h_512"))
            drawn = (x, y, x + w, y + h)
            with torch.no_grad():
                maps = model.maps(normalise(unit))
                fine = F.interpolate(maps, size=(SIZE, SIZE), mode="bilinear")[0, 0].numpy()
                logit = (maps.mean() + model.classifier.bias[0]).item()
            if fine.max() <= 0:
                found.append(Overlap(row["split"], logit, False, 0.0))
                continue
            (peak_y, peak_x), box = peak_region(fine, level)
            inside = drawn[0] <= peak_x + 0.5 <= drawn[2] and drawn[1] <= peak_y + 0.5 <= drawn[3]
            found.append(Overlap(row["split"], logit, inside, iou(box, drawn)))
    return found


def sentence(found: list[Overlap], split: str) -> str:
    """One clause of the card."""
    part = [f for f in found if f.split == split]
    ious = [f.iou for f in part]
    return (
        f"{split} part: {len(part)} boxes, maximum of the map inside the box in {sum(f.inside for f in part)},"
        f" median IoU {np.median(ious):.2f}, IoU of 0.5 or more in {sum(v >= 0.5 for v in ious)}"
    )
