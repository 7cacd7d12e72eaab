"""How the demonstrator's regions overlap with boxes that radiologists drew, and with phantom lesions.

No bar: the figure is reported whatever it is.
"""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import road

warnings.simplefilter("ignore")


def wrap(picture, target):
    """A grey picture as a DX film."""
    pixels = np.asarray(Image.open(picture).convert("L"))
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[picture.name])
    data.StudyInstanceUID = generate_uid(entropy_srcs=[picture.name, "study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[picture.name, "series"])
    data.PatientID, data.PatientName, data.PatientAge = picture.stem[:60], "", "050Y"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.PresentationIntentType = "FOR PRESENTATION"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    data.save_as(target, enforce_file_format=True)


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


def drawn(entry):
    for finding in entry["findings"]:
        for region in finding["regions"]:
            points = np.array(region["contour"])
            yield [*points.min(0), *points.max(0)]


def report(setup, cxr, fixtures, work):
    """Prints how many boxes are met by a region, and how well."""
    node = road.Node(setup, work / "boxes-node", "", 1)
    films = work / "boxes-films"
    films.mkdir()
    known = {}
    with (cxr / "nih_bboxes.csv").open() as table:
        for n, row in enumerate(csv.DictReader(table)):
            picture = cxr / row["file"]
            if not picture.exists():
                continue
            target = films / f"{n:04}.dcm"
            wrap(picture, target)
            known[str(target)] = (row["Finding Label"], box_of(row))
    entries = {e["file"]: e for e in node.analyze(films, work / "boxes-out")}
    labels = sorted({label for label, _ in known.values()})
    for label in labels:
        mine = [(entries[f], box) for f, (name, box) in known.items() if name == label]
        best = [max((overlap(r, box) for r in drawn(entry)), default=0.0) for entry, box in mine]
        above = sum(any(f["present"] for f in entry["findings"]) for entry, _ in mine)
        print(f"NIH boxes, {label}: {len(mine)} boxes, {above} films above threshold, mean IoU {np.mean(best):.2f}, "
              f"IoU >= 0.1 in {sum(b >= 0.1 for b in best)}", flush=True)
    for name in sorted(p.stem for p in (fixtures / "truth").glob("*.json") if p.stem != "pa_ap"):
        truth = json.loads((fixtures / "truth" / f"{name}.json").read_text())[0]["box"]
        entry = node.analyze(Path(fixtures / f"{name}.dcm"), work / f"lesion-{name}")[0]
        best = max((overlap(r, truth) for r in drawn(entry)), default=0.0)
        print(f"phantom {name}: demonstrator's overlap with the known opacity {best:.2f}", flush=True)


def box_of(row):
    """x0, y0, x1, y1 in the pixels of the 512 px copy."""
    x, y, w, h = (float(row[f"{side}_512"]) for side in "xywh")
    return [x, y, x + w, y + h]
