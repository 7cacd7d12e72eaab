"""Scores the validation films source by source and sets temperature and threshold.

Sources are never pooled into one figure: they differ in age, machine and the way their films were picked, and a
pooled AUROC would mostly measure how well the source can be recognised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data import Film, load_inputs, normalise, read_films
from densenet import DenseNet
from metrics import (
    auroc,
    auroc_interval,
    fit_temperature,
    sensitivity,
    sigmoid,
    specificity,
    wilson,
    youden_threshold,
)

# In NIH the size of the original file separates the classes; inside this band it hardly can.
SHARED_BAND = (325_000, 357_050)


@dataclass(frozen=True)
class Group:
    """One row of the card's table. `labels` is None where the source gives no label per film."""

    title: str
    films: list[Film]
    logits: np.ndarray
    brightness: np.ndarray

    @property
    def labels(self) -> np.ndarray | None:
        if any(f.positive is None for f in self.films):
            return None
        return np.array([f.positive for f in self.films])

    def column(self, of: Callable[[Film], float | None]) -> np.ndarray | None:
        values = [of(f) for f in self.films]
        return None if any(v is None for v in values) else np.array(values, float)


@dataclass(frozen=True)
class Operating:
    """The calibration and the operating point, with what they reach where they were set."""

    temperature: float
    threshold: float
    sensitivity: float
    specificity: float


def evaluate(model: DenseNet, data: Path) -> list[Group]:
    """The first group is the one that temperature and threshold are set on."""
    films = read_films(data)
    val = [f for f in films if f.split == "val"]
    adults = [f for f in val if f.source == "nih" and f.adult]
    low, high = SHARED_BAND
    parts = [
        ("NIH adults", adults),
        (
            "NIH adults, shared file-size band",
            [f for f in adults if f.src_bytes and low <= f.src_bytes <= high],
        ),
        ("NIH under 18", [f for f in val if f.source == "nih" and not f.adult]),
        ("Kermany (children 1-5)", [f for f in val if f.source == "kermany"]),
        # No film of this source is trained on, so both parts are unseen.
        ("MHH (adults, COVID-19)", [f for f in films if f.source == "mhh"]),
    ]
    return [score(model, title, part) for title, part in parts]


def score(model: DenseNet, title: str, films: list[Film]) -> Group:
    logits, brightness = [], []
    for start in range(0, len(films), 64):
        unit = load_inputs(films[start : start + 64])
        with torch.no_grad():
            logits.append(model(normalise(unit))[:, 0].numpy())
        brightness.append(unit.mean((1, 2, 3)).numpy())
    return Group(title, films, np.concatenate(logits).astype(float), np.concatenate(brightness))


def calibrate(groups: list[Group]) -> Operating:
    """Temperature by cross-entropy and threshold by Youden's index, both on the first group."""
    first = groups[0]
    labels = first.labels
    if labels is None:
        raise SystemExit("the first group must be labelled")
    temperature = round(fit_temperature(labels, first.logits), 4)
    probability = sigmoid(first.logits / temperature)
    threshold = round(youden_threshold(labels, probability), 4)
    return Operating(
        temperature,
        threshold,
        sensitivity(labels, probability, threshold),
        specificity(labels, probability, threshold),
    )


def interval(labels: np.ndarray, values: np.ndarray | None, either_way: bool = False) -> str:
    """AUROC with its 95 % interval; `either_way` turns a baseline that points down."""
    if values is None:
        return "not known"
    if len(np.unique(labels)) < 2:
        return "one class only"
    if either_way and auroc(labels, values) < 0.5:
        values = -values
    low, high = auroc_interval(labels, values)
    return f"{auroc(labels, values):.3f} ({low:.3f}-{high:.3f})"


def table(groups: list[Group], operating: Operating) -> str:
    """The card's table in Markdown."""
    lines = [
        "| films | n (positive) | AUROC | baseline: original file size | baseline: JPEG size here"
        " | baseline: mean brightness | sensitivity | specificity |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group in groups:
        probability = sigmoid(group.logits / operating.temperature)
        above = probability >= operating.threshold
        labels = group.labels
        if labels is None:
            low, high = wilson(int(above.sum()), len(above))
            lines.append(
                f"| {group.title} | {len(above)} (label is the patient's, not the film's) | none: no negatives"
                f" | | | | {above.mean():.3f} ({low:.3f}-{high:.3f}) of films above threshold | |"
            )
            continue
        cells = [
            group.title,
            f"{len(labels)} ({int(labels.sum())})",
            interval(labels, group.logits),
            interval(labels, group.column(lambda f: f.src_bytes), either_way=True),
            interval(labels, group.column(lambda f: f.path.stat().st_size), either_way=True),
            interval(labels, group.brightness, either_way=True),
            proportion(above[labels]),
            proportion(~above[~labels]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def proportion(hits: np.ndarray) -> str:
    if len(hits) == 0:
        return "no film"
    low, high = wilson(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({low:.3f}-{high:.3f})"
