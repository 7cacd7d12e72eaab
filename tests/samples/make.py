"""Writes the sample pack: films, result objects and README.md. The same on every run.

Usage: make.py --build-results FILE --xtask FILE OUT
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pack import NEGATIVE, SAMPLES, THRESHOLD
from pydicom import dcmread

HEAD = """# Sample results of Centinela

Result objects of a chest X-ray AI for testing viewers and archives with. **Evaluation software, not a medical device**:
every object says so. Nobody in these films exists; the films are a parametric phantom with a bright test opacity, and the
probabilities are invented.

Each folder is one study: `film-N.dcm` is what the modality sent, the rest is what went back. Load a folder as a whole. All
objects are Part 10 files in Explicit VR Little Endian, the captures of 15 in RLE Lossless; patient and study attributes are
those of the film. Reports are TID 1500 (IHE AI Results); regions are closed polylines in pixels of the film, the same in report and presentation state, with the same
Tracking Unique Identifier.

"""


def ellipse(box, grow=1.0, down=0.0):
    """A closed contour in the box."""
    x0, y0, x1, y1 = box
    cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2 + down, (x1 - x0) / 2 * grow, (y1 - y0) / 2 * grow
    points = [
        [round(cx + rx * math.cos(n * math.tau / 48), 2), round(cy + ry * math.sin(n * math.tau / 48), 2)]
        for n in range(48)
    ]
    return points + points[:1]


def scores(sample, truth):
    """What the model is said to have found on a film."""
    found = [
        {"label": label, "probability": probability, "threshold": THRESHOLD, "regions": []}
        for label, probability in NEGATIVE.items()
    ]
    regions = [{"contour": ellipse(entry["box"])} for entry in truth]
    if sample.twice:
        height = truth[0]["box"][3] - truth[0]["box"][1]
        regions.append({"contour": ellipse(truth[0]["box"], 0.6, 1.6 * height)})
    probability = 0.87 if regions else 0.09
    found.insert(1, {"label": "Lung Opacity", "probability": probability, "threshold": THRESHOLD, "regions": regions})
    return found


def heat(film, truth):
    """A map that is high over the first box of the truth."""
    data = dcmread(film, stop_before_pixels=True)
    x0, y0, x1, y1 = truth[0]["box"]
    cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    values = []
    for row in range(16):
        for column in range(16):
            x, y = (column + 0.5) * data.Columns / 16, (row + 0.5) * data.Rows / 16
            values.append(round(math.exp(-(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) / 2), 3))
    most = max(values)
    values = [round(value / most, 3) for value in values]
    return {"label": "Lung Opacity", "columns": 16, "rows": 16, "values": values, "area": [0, 0, data.Columns, data.Rows]}


def build(tool, spec, films, out):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        subprocess.run([tool, file.name, out, *films], check=True, stderr=subprocess.DEVNULL)


def write(sample, tool, films, out):
    folder = out / sample.name
    folder.mkdir()
    placed = []
    images = []
    for n, name in enumerate(sample.films, 1):
        placed.append(folder / f"film-{n}.dcm")
        shutil.copyfile(films / f"{name}.dcm", placed[-1])
        truth = json.loads((films / f"{name}.json").read_text())
        outcome = {"skip": sample.skip} if sample.skip else {"scores": scores(sample, truth)}
        if sample.heat_map:
            outcome = {"scored": outcome | {"map": heat(placed[-1], truth)}}
        images.append(outcome)
    spec = {
        "language": sample.language, "negatives": sample.negatives, "kinds": sample.kinds,
        "revision": sample.revision, "images": images,
    }
    if sample.heat_map:
        spec |= {"heat_map": True, "sc_compression": "rle"}
    if sample.sr_class:
        spec["sr_class"] = sample.sr_class
    if sample.predecessor:
        former = next(dcmread(path) for path in sorted((out / sample.predecessor).glob("*-sr.dcm")))
        spec["predecessor"] = {
            "series": former.SeriesInstanceUID, "sop_class": former.SOPClassUID, "sop_instance": former.SOPInstanceUID,
        }
    build(tool, spec, placed, folder)
    kinds = [path.stem.split("-")[1] for path in sorted(folder.glob("*.dcm")) if not path.name.startswith("film-")]
    if sorted(kinds) != sorted(sample.expect):
        sys.exit(f"make.py: {sample.name} has the objects {kinds}, not {sample.expect}")


def readme():
    text = HEAD
    for sample in SAMPLES:
        text += f"## {sample.name}\n\n{sample.title[0].upper()}{sample.title[1:]}. AIR: {sample.primitives}.\n\n"
        text += "".join(f"- {line}\n" for line in sample.shows) + "\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-results", required=True, type=Path)
    parser.add_argument("--xtask", required=True, type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        if not (options.out / "README.md").exists():
            sys.exit(f"make.py: {options.out} holds something else; give an empty folder")
        shutil.rmtree(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as films:
        subprocess.run([options.xtask, "samples", films], check=True)
        for sample in SAMPLES:
            write(sample, options.build_results, Path(films), options.out)
    (options.out / "README.md").write_text(readme())
    print(f"{len(SAMPLES)} studies in {options.out}")


if __name__ == "__main__":
    main()
