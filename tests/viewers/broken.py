"""Reports that are broken on purpose: each proves that the checks of a viewer's page can fail.

A variant is a whole study of its own, film and report with fresh UIDs, so that nothing but the fault differs from the
study that passed. Variants without a fault come first: if `sound` failed, the fresh UIDs would be the cause; the others
are the report in the older classes that archives ask for.
"""

import io

from pydicom import dcmread
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid


def groups(report):
    """The measurement groups (125007, DCM)."""
    for section in report.ContentSequence:
        if section.ConceptNameCodeSequence[0].CodeValue == "126010":
            return section
    raise ValueError("no Imaging Measurements")


def item(group, code):
    return next(i for i in group.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == code)


def no_tracking_uid(report):
    for group in groups(report).ContentSequence:
        group.ContentSequence.remove(item(group, "112040"))


def foreign_image(report):
    for group in groups(report).ContentSequence:
        reference = item(group, "111030").ContentSequence[0].ReferencedSOPSequence[0]
        reference.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["another film"])


def one_tracking_uid(report):
    section = groups(report)
    for group in section.ContentSequence:
        item(group, "112040").UID = item(section.ContentSequence[0], "112040").UID


def swapped_axes(report):
    for group in groups(report).ContentSequence:
        data = list(item(group, "111030").GraphicData)
        item(group, "111030").GraphicData = [v for x, y in zip(data[::2], data[1::2]) for v in (y, x)]


def other_name(report):
    for group in groups(report).ContentSequence:
        item(group, "112039").TextValue = "CXR AI"


def other_certainty(report):
    for group in groups(report).ContentSequence:
        item(group, "111012").MeasuredValueSequence[0].NumericValue = "91.3"


def no_groups(report):
    groups(report).ContentSequence = Sequence()


def other_title(report):
    report.ConceptNameCodeSequence[0].CodeValue = "126001"


def sound(_):
    """Nothing is wrong."""


def comprehensive(report):
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"


def enhanced(report):
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"


SOUND = [sound, comprehensive, enhanced]
BROKEN = [no_tracking_uid, foreign_image, one_tracking_uid, swapped_axes, other_name, other_certainty, no_groups,
          other_title]


def study(variant, films, report):
    """The files of a variant, and its UIDs by those of the original."""
    data = [dcmread(io.BytesIO(b)) for b in [*films, report]]
    old = {str(d[k].value) for d in data for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
    fresh = {uid: generate_uid(entropy_srcs=[variant.__name__, uid]) for uid in old}

    def renew(dataset, element):
        if element.VR == "UI" and str(element.value) in fresh:
            element.value = fresh[str(element.value)]

    files = []
    for part in data:
        part.walk(renew)
        part.file_meta.MediaStorageSOPInstanceUID = part.SOPInstanceUID
    variant(data[-1])
    for part in data:
        target = io.BytesIO()
        part.save_as(target, enforce_file_format=True)
        files.append(target.getvalue())
    return files, fresh
