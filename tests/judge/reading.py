"""Films and result objects as files, and the few questions that every check asks them."""

import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread

warnings.simplefilter("ignore")

SR_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR",
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.88.22": "Enhanced SR",
}
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
SC = "1.2.840.10008.5.1.4.1.1.7"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
KINDS = {**dict.fromkeys(SR_CLASSES, "sr"), GSPS: "gsps", SC: "sc", KOS: "kos", SEG: "seg"}
MODALITY = {"sr": "SR", "gsps": "PR", "sc": "OT", "kos": "KO", "seg": "SEG"}
TEXT_VRS = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")


@dataclass
class Thing:
    """A film or an object: where it lies, its bytes and its data set."""

    path: Path
    raw: bytes
    data: object

    @property
    def name(self):
        return self.path.name

    @property
    def sop(self):
        return text(self.data, "SOPInstanceUID")

    @property
    def kind(self):
        return KINDS.get(text(self.data, "SOPClassUID"))


@dataclass
class Region:
    """A region of the report: on which film, of what, with what certainty."""

    film: str
    finding: tuple
    identifier: str
    percent: float
    points: np.ndarray


@dataclass
class Study:
    """One study with the results that are judged against it."""

    films: dict
    objects: list
    earlier: list = field(default_factory=list)
    originals: list = field(default_factory=list)
    regions: dict = field(default_factory=dict)
    analyzed: set = field(default_factory=set)

    def of_kind(self, kind):
        return [thing for thing in self.objects if thing.kind == kind]


def files_below(places):
    for place in [Path(p) for p in places]:
        yield from [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())


def parse(raw):
    """The whole data set, every nested value converted; any error is the caller's."""
    data = dcmread(BytesIO(raw))
    for _ in elements(data):
        pass
    return data


def read(places, faults=None):
    """All DICOM files at the places; what is none is a fault where faults are counted."""
    found = []
    for path in files_below(places):
        raw = path.read_bytes()
        if raw[128:132] != b"DICM":
            if faults is not None and path.suffix == ".dcm":
                faults.add("FILE", path.name, "is no DICOM file: the prefix DICM is missing")
            continue
        try:
            found.append(Thing(path, raw, parse(raw)))
        except Exception as error:  # noqa: BLE001 - any refusal is a fault
            if faults is not None:
                faults.add("FILE", path.name, f"cannot be read: {type(error).__name__}: {error}")
    return found


def elements(data):
    """Every element, those of nested items too."""
    for element in data:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def text(data, keyword):
    value = data.get(keyword)
    return "" if value is None else str(value).rstrip(" \0")


def values(data, keyword):
    """All values as a list, whatever their number."""
    value = data.get(keyword)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)


def items(data, keyword):
    return list(data.get(keyword) or [])


def code(data, keyword="ConceptNameCodeSequence"):
    """Value and scheme of the first coded entry."""
    for item in items(data, keyword):
        value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue")
        return value, text(item, "CodingSchemeDesignator")
    return "", ""


def content(item):
    """All content items below this one."""
    for child in items(item, "ContentSequence"):
        yield child
        yield from content(child)


def children(item, *names):
    """Direct children whose concept is one of the codes (DCM where no scheme is said)."""
    wanted = [name if isinstance(name, tuple) else (name, "DCM") for name in names]
    return [child for child in items(item, "ContentSequence") if code(child) in wanted]


def references(data):
    """Class and instance of everything that the data set refers to as an image or object."""
    for item in items(data, "ReferencedSOPSequence"):
        yield text(item, "ReferencedSOPClassUID"), text(item, "ReferencedSOPInstanceUID")


def pairs(numbers):
    """Coordinates as an array of points; none where their number is odd."""
    flat = np.array([float(n) for n in (numbers or [])])
    return flat.reshape(-1, 2) if flat.size and flat.size % 2 == 0 else np.empty((0, 2))


def bounds(points):
    return (*points.min(axis=0), *points.max(axis=0))


def overlap(a, b):
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def surface(points):
    """Area inside a closed polygon."""
    x, y = points[:, 0], points[:, 1]
    return abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2
