"""What every object must be: a well-formed file of a known class, with UIDs, character set, series and
equipment as the standard has them, and the notice."""

import re

from pydicom.uid import UID

from reading import MODALITY, TEXT_VRS, code, elements, items, text, values

FORM = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
NOTICE = re.compile(r"not for diagnostic use", re.IGNORECASE)
UNVERIFIED = re.compile(r"unverified|sin verificar", re.IGNORECASE)
TWICE_ENCODED = re.compile("[\u00c2\u00c3][\u0080-\u00bf]")
EQUIPMENT = ["Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber"]

# Warnings of dciodvfy that we cannot avoid, each with its reason.
TOLERATED = [
    (r"</(StudyDate|StudyTime|StudyID|PatientID)\([0-9a-f,]+\)> - Missing attribute or value that would be needed to "
     r"build DICOMDIR", "the film has none, and results carry what the film says"),
]


def check(thing, tools, faults):
    part10(thing, faults)
    charset(thing, faults)
    notice(thing, faults)
    if tools:
        iod(thing, tools, faults)


def part10(thing, faults):
    meta, data, name = thing.data.file_meta, thing.data, thing.name
    for of_meta, of_data in [("MediaStorageSOPInstanceUID", "SOPInstanceUID"), ("MediaStorageSOPClassUID", "SOPClassUID")]:
        faults.want(text(meta, of_meta) and text(meta, of_meta) == text(data, of_data), "FILE", name,
                    f"{of_meta} in the file meta information is not the {of_data}")
    syntax = UID(text(meta, "TransferSyntaxUID"))
    faults.want(syntax.is_transfer_syntax, "FILE", name, f"{syntax} is no transfer syntax")
    faults.want(FORM.fullmatch(text(meta, "ImplementationClassUID")), "FILE", name, "no Implementation Class UID")
    faults.want(len(text(meta, "ImplementationVersionName")) <= 16, "FILE", name,
                "Implementation Version Name is longer than 16 characters")
    faults.want(not any(thing.raw[:128]), "FILE", name, "the preamble is not empty")
    faults.want(thing.kind, "KIND", name, f"SOP class {text(data, 'SOPClassUID')} is none of ours")


def iod(thing, tools, faults):
    said = tools.lines("dciodvfy", thing, "-new")
    faults.want(said and not said[0].startswith("Error"), "IOD", thing.name, "dciodvfy does not know the object")
    for line in said:
        if line.startswith("Error"):
            faults.add("IOD", thing.name, f"dciodvfy: {line}")
        elif line.startswith("Warning") and not any(re.search(known, line) for known, _ in TOLERATED):
            faults.add("WARNING", thing.name, f"dciodvfy: {line}")


def charset(thing, faults):
    declared = values(thing.data, "SpecificCharacterSet")
    faults.want(declared == ["ISO_IR 192"], "CHARSET", thing.name, f"the character set is {declared}, not ISO_IR 192")
    for element in elements(thing.data):
        if element.VR in TEXT_VRS:
            said = str(element.value)
            faults.want("\ufffd" not in said, "CHARSET", thing.name,
                        f"{element.keyword} does not decode in the declared character set")
            faults.want(not TWICE_ENCODED.search(said), "CHARSET", thing.name, f"{element.keyword} was encoded twice")


def notice(thing, faults):
    """Where a reader of the object meets the notice."""
    data, name = thing.data, thing.name
    said = {"sc": [text(data, "DerivationDescription")], "seg": [text(data, "ContentDescription")]}.get(thing.kind, [])
    if thing.kind == "gsps":
        said = [text(data, "ContentDescription")]
        drawn = [text(t, "UnformattedTextValue") for a in items(data, "GraphicAnnotationSequence")
                 for t in items(a, "TextObjectSequence")]
        faults.want(any(NOTICE.search(t) for t in drawn), "NOTICE", name, "no drawn text is the notice")
    if thing.kind == "seg":
        said += [text(s, "SegmentDescription") for s in items(data, "SegmentSequence")]
    if thing.kind in ("sr", "kos"):
        said = [str(e.value) for e in elements(data) if e.keyword == "TextValue"]
    faults.want(any(NOTICE.search(t) for t in said), "NOTICE", name, "does not say that it is not for diagnostic use")
    faults.want(UNVERIFIED.search(text(data, "SeriesDescription")), "NOTICE", name,
                "its Series Description does not say that it is unverified")


def uids(study, faults):
    seen = {sop: "a film" for sop in study.films} | {t.sop: "an earlier object" for t in study.earlier}
    seen |= {t.sop: "the object that it was made from" for t in study.originals}
    for thing in study.objects:
        faults.want(thing.sop not in seen, "UID", thing.name, f"its SOP Instance UID is that of {seen.get(thing.sop)}")
        seen[thing.sop] = thing.name
        for element in elements(thing.data):
            if element.VR == "UI":
                for uid in values({element.keyword: element.value}, element.keyword):
                    faults.want(FORM.fullmatch(uid) and len(uid) <= 64, "UID", thing.name,
                                f"{element.keyword} {uid!r} is no UID")


def series(study, faults):
    """One series for each kind of object, none of them a film's or an earlier revision's."""
    taken = {text(f.data, "SeriesInstanceUID"): "a film's" for f in study.films.values()}
    taken |= {text(t.data, "SeriesInstanceUID"): "an earlier revision's" for t in study.earlier}
    taken |= {text(t.data, "SeriesInstanceUID"): "that of the object it was made from" for t in study.originals}
    numbers = {text(f.data, "SeriesNumber") for f in study.films.values()}
    kinds, series_of = {}, {}
    for thing in study.objects:
        data, name = thing.data, thing.name
        uid = text(data, "SeriesInstanceUID")
        faults.want(uid not in taken, "SERIES", name, f"its series is {taken.get(uid)}")
        faults.want(text(data, "SeriesNumber") not in numbers | {""}, "SERIES", name, "its Series Number is none or a film's")
        wanted = MODALITY.get(thing.kind)
        faults.want(wanted is None or text(data, "Modality") == wanted, "SERIES", name,
                    f"Modality is {text(data, 'Modality')}, not {wanted}")
        for keyword in [*EQUIPMENT, "SeriesDescription", "SeriesDate", "SeriesTime", "InstanceNumber"]:
            faults.want(text(data, keyword), "SERIES", name, f"{keyword} is missing")
        alike = tuple(text(data, k) for k in ("SOPClassUID", "Modality", "SeriesNumber", "SeriesDescription"))
        first = kinds.setdefault(uid, (alike, name))
        faults.want(first[0] == alike, "SERIES", name, f"shares a series with {first[1]}, which is of another kind")
        # Heat maps are a kind beside the plain captures.
        form = (alike[0], code(data, "DerivationCodeSequence"))
        faults.want(series_of.setdefault(form, uid) == uid, "SERIES", name, "its kind has two series")
    for keyword in [*EQUIPMENT, "SeriesDate", "SeriesTime", "StudyInstanceUID"]:
        said = {text(t.data, keyword) for t in study.objects}
        faults.want(len(said) < 2, "SERIES", "-", f"objects of one revision differ in {keyword}")
