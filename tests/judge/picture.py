"""What a viewer shows: dcmp2pgm's grey levels with and without the presentation state, and our own lines on them."""

import numpy as np
from PIL import Image, ImageDraw

MOST = 2  # grey levels of 255 that rounding may cost


def check(thing, film, drawn, tools, faults):
    without, with_state = tools.render(film), tools.render(film, thing)
    if without is None or with_state is None:
        return faults.add("PR-RENDER", thing.name, "dcmp2pgm cannot render it")
    if without.shape != with_state.shape:
        return faults.add("PR-AREA", thing.name, f"is rendered {with_state.shape}, the film {without.shape}")
    change, inverted = np.abs(without - with_state).max(), np.abs(255 - without - with_state).max()
    if change > MOST:
        what = "inverts the film" if inverted <= MOST else f"changes the film's grey levels by up to {change}"
        faults.add("PR-RENDER", thing.name, what)
    for uid, points in drawn.items():
        faults.want(visible(with_state, points), "PR-DRAWN", thing.name, f"graphic {uid} leaves no mark on the film")


def visible(grey, points):
    """Whether a line through the points changes enough pixels of the picture."""
    canvas = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    before = np.asarray(canvas).copy()
    path = [tuple(p) for p in points]
    inside = [p for p in path if 0 <= p[0] < grey.shape[1] and 0 <= p[1] < grey.shape[0]]
    tone = 0 if inside and grey[int(inside[0][1]), int(inside[0][0])] > 127 else 255
    ImageDraw.Draw(canvas).line(path, fill=tone, width=2)
    return int((np.asarray(canvas) != before).sum()) >= 20
