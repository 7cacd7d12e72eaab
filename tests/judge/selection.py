"""The key object selection (TID 2010): the films with a present finding, and the notice."""

import re

from reading import children, code, content, items, references, text
from report import hierarchy


def check(thing, study, tools, faults):
    data, name = thing.data, thing.name
    if tools:
        for line in tools.lines("dsrdump", thing):
            if re.match(r"[EF]: ", line):
                faults.add("KO-READ", name, f"dsrdump: {line}")
    faults.want(code(data) == ("113000", "DCM"), "KO-TREE", name, f"its title is {code(data)}, not Of Interest")
    declared = [text(t, "TemplateIdentifier") for t in items(data, "ContentTemplateSequence")]
    faults.want(declared == ["2010"], "KO-TREE", name, f"declares template {declared}, not 2010")
    observers = [code(i, "ConceptCodeSequence") for i in children(data, "121005")]
    faults.want(observers == [("121007", "DCM")] and children(data, "121012"), "KO-OBSERVER", name, "has no device observer")
    said = [text(i, "TextValue") for i in children(data, "113012")]
    faults.want(len(said) == 1 and said[0], "KO-TREE", name, "has not one description")
    used = {sop: class_uid for item in content(data) for class_uid, sop in references(item)}
    for sop, class_uid in used.items():
        film = study.films.get(sop)
        if faults.want(film, "KO-REFERENCE", name, f"selects {sop}, which is no film of the study"):
            faults.want(class_uid == text(film.data, "SOPClassUID"), "KO-REFERENCE", name, f"gives {sop} another class")
    faults.want(used, "KO-REFERENCE", name, "selects nothing")
    present = {region.film for region in study.regions.values()} | present_films(study)
    if study.of_kind("sr"):
        faults.want(set(used) == present, "KO-SELECTION", name,
                    f"selects {len(used)} film(s), a finding is present on {len(present)}: not the same")
    hierarchy(data, "CurrentRequestedProcedureEvidenceSequence", name, "KO-EVIDENCE", used, study.films, faults)
    names_findings(said, study, name, faults)


def present_films(study):
    films = set()
    for report in study.of_kind("sr"):
        for group in content(report.data):
            if [code(i, "ConceptCodeSequence") for i in children(group, ("705057003", "SCT"))] == [("52101004", "SCT")]:
                films |= {sop for item in content(group) for _, sop in references(item)}
    return films


def names_findings(said, study, name, faults):
    for region in study.regions.values():
        finding = re.sub(r"^\S+ \S+ (.*?)( \d+)?(,.*)?$", r"\1", region.identifier)  # without "CXR AI", number and film
        faults.want(any(finding.lower() in t.lower() for t in said), "KO-TREE", name, f"does not name {finding}")
