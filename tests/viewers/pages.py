"""What OHIF must show of a study, and whether it does.

What is expected comes from the node's own record of the scores and from the fixtures' known lesions, never from the
report under test.
"""

from dataclasses import dataclass

import numpy as np

from archive import MODALITIES
from failure import Failure


@dataclass
class Measurement:
    """A region that must be shown."""

    image: str
    name: str
    certainty: str
    points: list


@dataclass
class Expected:
    """A study as its pages must show it."""

    regions: list
    boxes: list
    kinds: set
    films: int
    not_analyzed: bool

    @classmethod
    def of(cls, study, boxes):
        """From the node's API and the fixture's truth."""
        regions = []
        for instance in study["instances"]:
            for score in [s for p in instance["predictions"] for s in p["scores"] if s["present"]]:
                certainty = f"{round(score['probability'] * 100, 1):.2f} %"
                for region in score["regions"]:
                    regions.append(Measurement(instance["sop_instance"], score["label"], certainty, region))
        sops = [i["sop_instance"] for i in study["instances"] if i["predictions"]]
        boxes = [b | {"sop_instance_uid": b.get("sop_instance_uid", sops[0])} for b in boxes]
        if len(boxes) != len(regions):
            raise Failure(f"{len(regions)} regions for {len(boxes)} lesions: the road is broken before the viewer")
        kinds = {r["kind"] for r in study["results"]}
        skipped = any(r["not_analyzed"] for r in study["results"])
        return cls(regions, boxes, kinds, len(study["instances"]), skipped)

    def renamed(self, uids):
        """The same for a copy of film and report alone."""
        regions = [Measurement(uids[r.image], r.name, r.certainty, r.points) for r in self.regions]
        boxes = [b | {"sop_instance_uid": uids[b["sop_instance_uid"]]} for b in self.boxes]
        return Expected(regions, boxes, {"sr"}, self.films, self.not_analyzed)


def need(condition, text):
    if not condition:
        raise Failure(text)


def box(points):
    points = np.array(points, dtype=float)
    return [*points.min(0), *points.max(0)]


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


def same_line(a, b, tolerance):
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    return a.shape == b.shape and np.abs(a - b).max() <= tolerance


def report(page, modality="SR"):
    """The one series with that modality."""
    found = [s for s in page.series() if s["modality"] == modality]
    need(len(found) == 1, f"{len(found)} series of modality {modality}")
    return found[0]


def check(page, expected, pictures=None, name=None, named=False):
    """The whole page of one study."""
    listed(page, expected)
    series = report(page)
    need("dicom-sr" in series["handler"], f"the report goes to {series['handler']}")
    series = page.load(series)
    if not expected.regions:
        nothing_drawn(page, series, expected)
    else:
        understood(series, expected)
        films = page.lines()
        for measurement in series["measurements"]:
            film = films.get(measurement["tracking"])
            need(film == measurement["image"], f"the line of film {measurement['image']} belongs to {film}")
        # The first: OHIF 3.13's arrows do not bring the film of another series.
        drawn(page, expected, series["measurements"][0], named)
    need(not page.errors, f"the page reported {page.errors}")
    if pictures:
        page.picture(pictures / f"ohif-{name}.png")


def listed(page, expected):
    """The list of series, on the page and in the services."""
    texts = [text for _, text in page.listed()]
    for kind, words in MODALITIES.items():
        rows = [t for t in texts if t.split("\n")[0] == words]
        need(len(rows) == (kind in expected.kinds), f"{len(rows)} {words} rows in the list of series")
        need(all("(unverified)" in r for r in rows), f"the {words} row does not say (unverified): {rows}")
    # Whoever reads docs/viewers.md must hear when this changes.
    states = [s["unsupported"] for s in page.series() if s["modality"] in ("PR", "KO")]
    need(all(states), "OHIF supports presentation states or key objects now: say so in docs/viewers.md")
    title = next(t for t in texts if t.startswith("SR"))
    need(("not analyzed" in title) == expected.not_analyzed, f"the report is listed as {title!r}")


def understood(series, expected):
    """OHIF's parser: one measurement for each region, with the right film, name and certainty."""
    need(series["measurements"] is not None, "the report was not understood")
    found = [m for m in series["measurements"] if m["type"]]
    need(len(found) == len(expected.regions), f"{len(found)} measurements for {len(expected.regions)} regions")
    for region in expected.regions:
        mine = [m for m in found if m["image"] == region.image and same_line(points(m), region.points, 0.06)]
        need(len(mine) == 1, f"{len(mine)} measurements at the region of film {region.image}")
        need(mine[0]["loaded"], "the measurement is not loaded")
        need(region.name.lower() in mine[0]["name"].lower(), f"the measurement is called {mine[0]['name']!r}")
        labels = {label["label"]: label["value"] for label in mine[0]["labels"]}
        certainty = labels.get("Certainty of Finding")
        need(certainty == region.certainty, f"certainty {certainty!r} instead of {region.certainty!r}")


def points(measurement):
    data = measurement["points"]
    return list(zip(data[::2], data[1::2]))


def drawn(page, expected, measurement, named):
    """The overlay: on the right film, around the known lesion, with its label."""
    shown = page.drawn(measurement["image"])
    region = next(r for r in expected.regions if r.image == shown["image"])
    need(len(shown["lines"]) == 1, f"{len(shown['lines'])} lines are drawn")
    need(same_line(shown["lines"][0], region.points, 0.6), "the drawn line is not the region")
    known = next(b for b in expected.boxes if b["sop_instance_uid"] == shown["image"])
    iou = overlap(box(shown["lines"][0]), known["box"])
    need(iou >= known["min_iou"], f"the drawn line meets the known lesion by {iou:.2f} only")
    text = [line for lines in shown["texts"] for line in lines]
    need(f"Certainty of Finding: {region.certainty}" in text, f"the label reads {text}")
    if named:
        need(any(t.startswith("Finding: ") and region.name.lower() in t.lower() for t in text), f"no name in {text}")


def nothing_drawn(page, series, expected):
    """A report without regions opens and draws nothing; its groups are understood."""
    measurements = series["measurements"]
    need(measurements, "no group was understood")
    need(all(not m["points"] for m in measurements), "a region came from nowhere")
    if expected.not_analyzed:
        labels = [label["label"] for m in measurements for label in m["labels"]]
        need(any("not analyzed" in label for label in labels), f"the reason is not among {labels}")
    shown = page.shown()
    need(not shown or not shown["lines"], "something is drawn")


def patient(page, shown, ideographs):
    """The header shows the patient's name, and no character of it was lost."""
    header, names = page.patient()
    need(header == shown, f"the name is shown as {header!r}")
    need(names and names[0].get("Ideographic") == ideographs, f"the viewer's name is {names}")


def capture(page, pictures):
    """The secondary capture is shown in colour; the film is grey."""
    need(page.coloured() == 0, "the film has colours")
    page.load(report(page, "OT"))
    page.page.wait_for_timeout(3000)
    need(page.coloured() > 200, "the capture shows no colour")
    page.picture(pictures / "ohif-capture.png")
