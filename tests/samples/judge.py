"""Judges the sample pack with the tools that others will use: dciodvfy, dsrdump, dcmpschk, highdicom and
PixelMed's DicomSRValidator (the one of the IHE Connectathon).

Usage: judge.py PACK [--pixelmed JAR]
Prints a line for each object with something wrong and a closing line with figures; exit 1 if anything is wrong.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import dcmread

warnings.simplefilter("ignore")

# PixelMed knows an older edition of CID and TID tables; "errors" are what counts, as at the Connectathon.
JAVA = ["java", "-Djdk.xml.xpathTotalOpLimit=0", "-Djdk.xml.xpathExprOpLimit=0", "-Djdk.xml.xpathExprGrpLimit=0"]


def run(*command):
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def dciodvfy(path):
    lines = run("dciodvfy", "-new", str(path)).splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


def dsrdump(path):
    return [line for line in run("dsrdump", str(path)).splitlines() if re.match(r"[EF]: ", line)]


def dcmpschk(path):
    """Its complaints, block by block. DCMTK 3.6.7 takes every person name outside ASCII, or with component groups, for an
    error; two of its lines of progress look like warnings."""
    blocks = [[]]
    for line in run("dcmpschk", str(path)).splitlines():
        if re.match(r"(E: )?Error", line):
            blocks.append([])
        blocks[-1].append(line)
    real = [block for block in blocks[1:] if not any("Type PN" in line for line in block)]
    harmless = re.compile(r"W: (Testing:|Test passed|Test failed)|.*ISO_IR 192")
    warnings_before = [line for line in blocks[0] if re.match(r"[EFW]: ", line) and not harmless.match(line)]
    return warnings_before + [" ".join(block) for block in real]


def highdicom_report(path):
    try:
        report = hd.sr.srread(path).content
        groups = len(report.get_planar_roi_measurement_groups()) + len(report.get_image_measurement_groups())
    except Exception as error:  # of many kinds
        return [f"highdicom: {type(error).__name__}: {error}"]
    return [] if groups else ["highdicom: no measurement group"]


def highdicom_mask(path):
    try:
        segmentation = hd.seg.segread(path)
        frames = segmentation.pixel_array
    except Exception as error:  # of many kinds
        return [f"highdicom: {type(error).__name__}: {error}"]
    return [] if segmentation.number_of_segments and np.any(frames) else ["highdicom: an empty segmentation"]


def groups_of(report):
    container = next(i for i in report.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010")
    return container.ContentSequence


def has_region(group):
    return any(item.ValueType == "SCOORD" for item in group.ContentSequence)


def halves(path, folder):
    """The report, or its groups with and without a region as two reports.

    PixelMed decides whether groups follow TID 1410 by counting the regions of all groups together: where there is
    exactly one, it wants a region in every group, also in those of TID 1501 beside it (the condition around TID_1410
    in its DicomSRDescriptionsCompiled.xsl). With none, with two or more, and with each kind of group by itself it is
    right.
    """
    report = dcmread(path)
    kinds = [has_region(group) for group in groups_of(report)]
    if kinds.count(True) != 1 or kinds.count(False) == 0:
        return [path]
    parts = []
    for wanted in (True, False):
        part = dcmread(path)
        groups = groups_of(part)
        groups[:] = [group for group in groups if has_region(group) == wanted]
        parts.append(Path(folder) / f"{path.parent.name}-{wanted}.dcm")
        part.save_as(parts[-1])
    return parts


def pixelmed(path, jar):
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for part in halves(path, folder):
            lines = run(*JAVA, "-cp", jar, "com.pixelmed.validate.DicomSRValidator", str(part)).splitlines()
            wrong += [line for line in lines if line.startswith("Error")]
            # Without this line the validator did not get to the content.
            if not any("Root Template Validation Complete" in line for line in lines):
                wrong.append(f"no validation: {lines[-1:]}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--pixelmed")
    options = parser.parse_args()
    wrong, counts = 0, {}
    for path in sorted(options.pack.glob("*/*.dcm")):
        if path.name.startswith("film-"):
            continue
        modality = dcmread(path, stop_before_pixels=True).Modality
        checks = {"dciodvfy": dciodvfy}
        if modality in ("SR", "KO"):
            checks["dsrdump"] = dsrdump
        if modality == "SR":
            checks["highdicom"] = highdicom_report
            if options.pixelmed:
                checks["PixelMed"] = lambda path: pixelmed(path, options.pixelmed)
        if modality == "PR":
            checks["dcmpschk"] = dcmpschk
        if modality == "SEG":
            checks["highdicom"] = highdicom_mask
        for name, check in checks.items():
            counts[name] = counts.get(name, 0) + 1
            for line in check(path):
                wrong += 1
                print(f"{path.parent.name}/{path.name}: {name}: {line}")
    figures = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"judged: {figures}; {wrong} remarks")
    return 1 if wrong or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
