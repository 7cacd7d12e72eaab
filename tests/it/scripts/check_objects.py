"""Checks result objects against their source films with tools that are not ours.

Usage: check_objects.py SOURCES RESULTS [--require SR,PR] [--truth FILE]

dciodvfy and dsrdump must find no error, highdicom must read each SR as TID 1500, patient and study
attributes must equal the source's, regions must lie inside their film and, with --truth, on the
known box; a GSPS must not change the grey levels that dcmp2pgm renders. Exit 0 = all well; 1 = one
line for each fault; 2 = a tool is missing.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread

warnings.simplefilter("ignore")
COPIED = [
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
]
TOOLS = ["dciodvfy", "dsrdump", "dcmp2pgm"]
faults = []


def fault(path, text):
    faults.append(f"{path.name}: {text}")


def output(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def read(folder):
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    found = {}
    for path in files:
        with path.open("rb") as file:
            if file.read(132)[128:] == b"DICM":
                found[path] = dcmread(path)
    return found


def overlap(a, b):
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


def texts(data):
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                yield from texts(item)
        elif element.VR in ("LO", "LT", "SH", "ST", "UC", "UT"):
            yield str(element.value)


def content(item):
    for child in item.get("ContentSequence", []):
        yield child
        yield from content(child)


def regions(report):
    """Finding code, film and box of each region of a report."""
    for group in content(report):
        code = next((c for c in group.get("ContentSequence", [])
                     if c.ConceptNameCodeSequence[0].CodeValue == "121071"), None)
        for item in group.get("ContentSequence", []):
            if code is not None and item.ValueType == "SCOORD":
                points = np.array(item.GraphicData, float).reshape(-1, 2)
                film = item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
                yield code.ConceptCodeSequence[0].CodeValue, film, points


def check_common(path, data, films):
    source = next(iter(films.values()))
    for line in output("dciodvfy", "-new", path).splitlines():
        if line.startswith("Error"):
            fault(path, f"dciodvfy: {line}")
    for key in COPIED:
        mine, theirs = str(data.get(key, "") or ""), str(source.get(key, "") or "")
        if mine != theirs:
            fault(path, f"{key} differs from the source's")
    if data.SeriesInstanceUID in {f.SeriesInstanceUID for f in films.values()}:
        fault(path, "sits in a source's series")
    if not any("not for diagnostic use" in text.lower() for text in texts(data)):
        fault(path, "does not say that it is not for diagnostic use")


def check_report(path, data, films):
    import highdicom

    for line in output("dsrdump", path).splitlines():
        if line.startswith(("E:", "F:")):
            fault(path, f"dsrdump: {line}")
    try:
        tree = highdicom.sr.srread(path).content
        groups = tree.get_planar_roi_measurement_groups() + tree.get_image_measurement_groups()
    except Exception as error:  # noqa: BLE001 - any refusal is a fault
        return fault(path, f"highdicom: {error}")
    if not groups:
        fault(path, "has no measurement group")
    for _, film, points in regions(data):
        if film not in films:
            fault(path, "a region lies on a film that is no source")
            continue
        limit = np.array([films[film].Columns, films[film].Rows])
        if (points < 0).any() or (points > limit).any() or not (points[0] == points[-1]).all():
            fault(path, "a region leaves its film or is not closed")


def render(film, state, folder):
    target = folder / "grey.pgm"
    target.unlink(missing_ok=True)
    output("dcmp2pgm", *(["-p", state] if state else []), film, target)
    return np.asarray(Image.open(target).convert("L"), int) if target.exists() else None


def check_state(path, data, films, files):
    for series in data.ReferencedSeriesSequence:
        for reference in series.ReferencedImageSequence:
            uid = reference.ReferencedSOPInstanceUID
            if uid not in films:
                fault(path, "refers to a film that is no source")
                continue
            with tempfile.TemporaryDirectory() as folder:
                image = files[uid]
                if films[uid].file_meta.TransferSyntaxUID.is_compressed:
                    plain = dcmread(image)
                    plain.decompress(generate_instance_uid=False)
                    image = Path(folder) / "plain.dcm"
                    plain.save_as(image)
                before, after = render(image, None, Path(folder)), render(image, path, Path(folder))
            if before is None or after is None:
                fault(path, "dcmp2pgm cannot render it")
            elif before.shape != after.shape or abs(before - after).max() > 2:
                fault(path, "changes the film's own grey levels")


def check_truth(truth, reports):
    found = [r for report in reports for r in regions(report)]
    for want in json.loads(truth.read_text()):
        boxes = [[*p.min(0), *p.max(0)] for code, film, p in found
                 if code == want["code"] and film == want["sop_instance_uid"]]
        best = max((overlap(box, want["box"]) for box in boxes), default=0.0)
        print(f"truth {want['code']}: overlap {best:.2f}")
        if best < want["min_iou"]:
            faults.append(f"{truth.name}: {want['code']} overlaps its known box by {best:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--require", default="SR")
    parser.add_argument("--truth", type=Path)
    arguments = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print(f"missing: {missing}; apt-get install -y dcmtk dicom3tools", file=sys.stderr)
        return 2
    sources = read(arguments.sources)
    films = {d.SOPInstanceUID: d for d in sources.values() if "Rows" in d}
    files = {d.SOPInstanceUID: p for p, d in sources.items()}
    results = read(arguments.results)
    present = {d.Modality for d in results.values()}
    for modality in arguments.require.split(","):
        if modality and modality not in present:
            faults.append(f"no {modality} among the results")
    for path, data in results.items():
        check_common(path, data, films)
        if data.Modality == "SR":
            check_report(path, data, films)
        elif data.Modality == "PR":
            check_state(path, data, films, files)
    if arguments.truth:
        check_truth(arguments.truth, [d for d in results.values() if d.Modality == "SR"])
    print("\n".join(faults) or f"{len(results)} object(s) checked")
    return 1 if faults or not results else 0


if __name__ == "__main__":
    sys.exit(main())
