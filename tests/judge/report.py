"""The structured report as a whole: TID 1500 with observer, flags, image library, evidence and predecessor.

Its measurement groups are judged by `groups`, the reason that stands in place of findings by `skipped`.
"""

import re
import warnings
from io import BytesIO

import groups
import skipped
import template
from codes import check as check_codes
from reading import children, code, content, elements, items, references, text
from tools import digest

TITLES = {"126000", "126001", "126002", "126003"}  # CID 7021
LEVELS = ("StudyInstanceUID", "SeriesInstanceUID", "ReferencedSOPClassUID", "ReferencedSOPInstanceUID")


def check(thing, study, not_analyzed, tools, faults):
    data, name = thing.data, thing.name
    if tools:
        for line in tools.lines("dsrdump", thing):
            if re.match(r"[EF]: ", line):
                faults.add("SR-READ", name, f"dsrdump: {line}")
    root(data, name, faults)
    flags(data, name, faults)
    observer(data, name, faults)
    found = [g for c in children(data, "126010") for g in children(c, "125007")]
    read_back(thing, len(found), tools, faults)
    if not_analyzed:
        skipped.check(name, found, study, faults)
    else:
        groups.check(name, found, study, faults)
    library(data, name, study, found, faults)
    evidence(data, name, study, faults)
    predecessor(data, name, study, faults)
    original(thing, study, faults)
    check_codes(thing, faults)
    template.check(thing, faults)


def root(data, name, faults):
    faults.want(code(data)[1] == "DCM" and code(data)[0] in TITLES, "SR-TREE", name, f"its title {code(data)} is not one of CID 7021")
    declared = [(text(t, "MappingResource"), text(t, "TemplateIdentifier")) for t in items(data, "ContentTemplateSequence")]
    faults.want(declared == [("DCMR", "1500")], "SR-TREE", name, f"declares template {declared}, not DCMR 1500")
    faults.want(len(children(data, "126010")) == 1, "SR-TREE", name, "has not one Imaging Measurements container")
    faults.want(text(data, "ContinuityOfContent") in ("SEPARATE", "CONTINUOUS"), "SR-TREE", name, "no Continuity Of Content")
    faults.want(not any(text(i, "ValueType") in ("SCOORD3D", "") for i in content(data)), "SR-TREE", name,
                "an item has no value type, or one that older classes do not know")
    faults.want(not any(e.keyword == "ReferencedContentItemIdentifier" for e in elements(data)), "SR-TREE", name,
                "an item refers to another by its position")
    faults.want(all(code(i) != ("", "") for i in content(data)), "SR-TREE", name, "an item has no concept name")


def flags(data, name, faults):
    faults.want(text(data, "VerificationFlag") == "UNVERIFIED", "SR-FLAGS", name, "Verification Flag is not UNVERIFIED")
    faults.want("VerifyingObserverSequence" not in data, "SR-FLAGS", name, "names a verifying observer")
    faults.want(text(data, "PreliminaryFlag") == "PRELIMINARY", "SR-FLAGS", name, "Preliminary Flag is not PRELIMINARY")
    complete = text(data, "CompletionFlag")
    faults.want(complete in ("COMPLETE", "PARTIAL"), "SR-FLAGS", name, f"Completion Flag is {complete!r}")
    faults.want(complete != "PARTIAL" or text(data, "CompletionFlagDescription"), "SR-FLAGS", name, "is partial without saying why")


def observer(data, name, faults):
    kinds = [code(i, "ConceptCodeSequence") for i in children(data, "121005")]
    faults.want(kinds == [("121007", "DCM")], "SR-OBSERVER", name, f"the observer type is {kinds}, not one device")
    for concept, keyword, what in [("121012", "UID", "UID"), ("121013", "TextValue", "name"),
                                   ("121014", "TextValue", "manufacturer"), ("121015", "TextValue", "model")]:
        said = [text(i, keyword) for i in children(data, concept)]
        faults.want(len(said) == 1 and said[0], "SR-OBSERVER", name, f"has not one device observer {what} ({concept}, DCM)")
    for concept, keyword in [("121014", "Manufacturer"), ("121015", "ManufacturerModelName"), ("121016", "DeviceSerialNumber")]:
        for item in children(data, concept):
            faults.want(text(item, "TextValue") == text(data, keyword), "SR-OBSERVER", name,
                        f"the observer's ({concept}, DCM) is not the {keyword} of the equipment")


def read_back(thing, count, tools, faults):
    """highdicom must read the report as TID 1500, with as many groups as there are."""
    seen, refusal = tools.keep(("highdicom", digest(thing)), lambda: ask(thing)) if tools else ask(thing)
    if refusal:
        faults.add("SR-READ", thing.name, f"highdicom: {refusal}")
    else:
        faults.want(seen == count > 0, "SR-READ", thing.name, f"highdicom reads {seen} of {count} groups")


def ask(thing):
    """How many groups highdicom reads, or why it does not."""
    import highdicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = highdicom.sr.srread(BytesIO(thing.raw)).content
            return len(tree.get_planar_roi_measurement_groups()) + len(tree.get_image_measurement_groups()), ""
    except Exception as error:  # noqa: BLE001 - any refusal is a fault
        return 0, f"{type(error).__name__}: {error}"


def library(data, name, study, found, faults):
    """Every film of the study stands in the image library, and is analysed there or has its reason."""
    listed = {}
    for shelf in children(data, "111028"):
        for item in content(shelf):
            for _, sop in references(item):
                listed[sop] = item
    for sop, film in study.films.items():
        if not faults.want(sop in listed, "SR-LIBRARY", name, "a film of the study is not in the image library"):
            continue
        for concept, keyword in (("110910", "Rows"), ("110911", "Columns")):
            for item in children(listed[sop], concept):
                said = [text(v, "NumericValue") for v in items(item, "MeasuredValueSequence")]
                faults.want(said == [text(film.data, keyword)], "SR-LIBRARY", name, f"{keyword} {said} is not the film's")
        told = any(text(i, "TextValue") for i in children(listed[sop], "121106"))
        shown = any(sop == s for g in found for i in content(g) for _, s in references(i))
        faults.want(told or shown, "SR-LIBRARY", name, "a film has neither findings nor a reason")


def evidence(data, name, study, faults):
    """The evidence is exactly what the content refers to, each with its own study, series and class."""
    used = {}
    for item in content(data):
        for class_uid, sop in references(item):
            used[sop] = class_uid
            film = study.films.get(sop)
            if faults.want(film, "SR-REFERENCE", name, f"refers to {sop}, which is no film of the study"):
                faults.want(class_uid == text(film.data, "SOPClassUID"), "SR-REFERENCE", name, f"gives {sop} another class")
    faults.want(used, "SR-REFERENCE", name, "refers to no film")
    hierarchy(data, "CurrentRequestedProcedureEvidenceSequence", name, "SR-EVIDENCE", used, study.films, faults)


def hierarchy(data, keyword, name, check_name, used, known, faults):
    """A hierarchical reference sequence against what it must list."""
    listed = []
    for study_item in items(data, keyword):
        for series_item in items(study_item, "ReferencedSeriesSequence"):
            for class_uid, sop in references(series_item):
                listed.append(sop)
                thing = known.get(sop)
                said = (text(study_item, LEVELS[0]), text(series_item, LEVELS[1]), class_uid)
                if thing:
                    right = (text(thing.data, LEVELS[0]), text(thing.data, LEVELS[1]), text(thing.data, "SOPClassUID"))
                    faults.want(said == right, check_name, name, f"{sop} is listed in another study, series or class")
                else:
                    faults.add(check_name, name, f"lists {sop}, which is not there")
    faults.want(sorted(listed) == sorted(used), check_name, name,
                f"lists {len(listed)} object(s), the content refers to {len(used)}: not the same")


def predecessor(data, name, study, faults):
    """A revision names the report before it; a first report names none."""
    before = {t.sop: t for t in study.earlier if t.kind == "sr"}
    hierarchy(data, "PredecessorDocumentsSequence", name, "SR-PREDECESSOR", before, before, faults)


def original(thing, study, faults):
    """A report in an older class tells exactly what the report says that it was made from."""
    if text(thing.data, "SOPClassUID").endswith(".34") or not study.originals:
        return
    for one in [t for t in study.originals if t.kind == "sr"]:
        changed = {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PredecessorDocumentsSequence"}
        theirs, ours = ({e.keyword: e for e in t.data if e.keyword not in changed} for t in (one, thing))
        different = sorted(k for k in theirs.keys() | ours.keys() if theirs.get(k) != ours.get(k))
        faults.want(not different, "SR-DOWNGRADE", thing.name, f"differs from {one.name} in {different}")
        for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"):
            faults.want(text(one.data, keyword) != text(thing.data, keyword), "SR-DOWNGRADE", thing.name,
                        f"has the {keyword} of {one.name}")
