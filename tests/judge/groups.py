"""Measurement groups (TID 1410, 1501): finding, algorithm (TID 4019), tracking, certainty, presence, region."""

import numpy as np

from files import NOTICE
from reading import Region, children, code, content, items, pairs, references, surface, text

PRESENCE = ("705057003", "SCT")
PRESENT, ABSENT = ("52101004", "SCT"), ("2667000", "SCT")
SOURCE = ("260753009", "SCT")
RELATIONS = {
    "112039": "HAS OBS CONTEXT", "112040": "HAS OBS CONTEXT", "121071": "CONTAINS", "111012": "CONTAINS",
    "111071": "CONTAINS", "111030": "CONTAINS", "111001": "HAS CONCEPT MOD", "111002": "HAS CONCEPT MOD",
    "111003": "HAS CONCEPT MOD", "122405": "HAS CONCEPT MOD", "111000": "HAS CONCEPT MOD",
}


def check(name, found, study, faults):
    faults.want(found, "SR-TREE", name, "has no measurement group")
    tracked = set()
    for number, group in enumerate(found, 1):
        words = [text(i, "TextValue") for i in children(group, "112039")]
        where = f"group {number} ({words[0] if words else 'without identifier'})"
        relations(name, where, group, faults)
        finding = one_code(name, where, group, "121071", "Finding", faults)
        algorithm(name, where, group, faults)
        uid = tracking(name, where, group, tracked, faults)
        percent = certainty(name, where, group, faults)
        decision(name, where, group, percent, faults)
        where_it_is(name, where, group, study, Region("", finding, words[0] if words else "", percent, None), uid, faults)


def relations(name, where, group, faults):
    for concept, relation in RELATIONS.items():
        for item in children(group, concept):
            said = text(item, "RelationshipType")
            faults.want(said == relation, "SR-RELATION", name, f"{where}: ({concept}, DCM) is {said}, not {relation}")


def one_code(name, where, group, concept, what, faults):
    found = [code(i, "ConceptCodeSequence") for i in children(group, concept)]
    faults.want(len(found) == 1, "SR-TREE", name, f"{where} has not one {what}")
    return found[0] if found else ("", "")


def algorithm(name, where, group, faults):
    for concept, what in (("111001", "name"), ("111003", "version")):
        said = [text(i, "TextValue") for i in children(group, concept)]
        faults.want(len(said) == 1 and said[0], "SR-ALGORITHM", name, f"{where} has not one algorithm {what}")
    parameters = [text(i, "TextValue") for i in children(group, "111002")]
    faults.want(any(NOTICE.search(p) for p in parameters), "NOTICE", name, f"{where}: no algorithm parameter is the notice")
    faults.want(any(p.startswith("weights_sha256=") for p in parameters), "SR-ALGORITHM", name, f"{where} does not tell the weights")
    family = [code(i, "ConceptCodeSequence") for i in children(group, "111000")]
    faults.want(family == [("123110", "DCM")], "SR-ALGORITHM", name, f"{where}: the family is {family}")


def tracking(name, where, group, tracked, faults):
    said = [text(i, "TextValue") for i in children(group, "112039")]
    faults.want(len(said) == 1 and said[0], "SR-TRACKING", name, f"{where} has not one Tracking Identifier")
    uids = [text(i, "UID") for i in children(group, "112040")]
    faults.want(len(uids) == 1 and uids[0], "SR-TRACKING", name, f"{where} has not one Tracking Unique Identifier")
    uid = uids[0] if uids else ""
    faults.want(uid not in tracked or not uid, "SR-TRACKING", name, f"{where} has the tracking UID of another group")
    tracked.add(uid)
    return uid


def number(name, where, group, concept, unit, top, faults):
    found = children(group, concept)
    if not faults.want(len(found) == 1, "SR-PROBABILITY", name, f"{where} has {len(found)} items ({concept}, DCM), not one"):
        return None
    measured = items(found[0], "MeasuredValueSequence")
    if not faults.want(len(measured) == 1, "SR-PROBABILITY", name, f"{where}: ({concept}, DCM) has no value"):
        return None
    said = code(measured[0], "MeasurementUnitsCodeSequence")
    faults.want(said == (unit, "UCUM"), "SR-PROBABILITY", name, f"{where}: the unit of ({concept}, DCM) is {said}")
    try:
        value = float(text(measured[0], "NumericValue"))
    except ValueError:
        faults.add("SR-PROBABILITY", name, f"{where}: ({concept}, DCM) is no number")
        return None
    faults.want(0 <= value <= top, "SR-PROBABILITY", name, f"{where}: ({concept}, DCM) is {value}, beyond {top}")
    return value


def certainty(name, where, group, faults):
    return number(name, where, group, "111012", "%", 100, faults)


def decision(name, where, group, percent, faults):
    """Present and absent follow from certainty and operating point."""
    threshold = number(name, where, group, "111071", "1", 1, faults)
    said = [code(i, "ConceptCodeSequence") for i in children(group, PRESENCE)]
    if not faults.want(said in ([PRESENT], [ABSENT]), "SR-PRESENCE", name, f"{where}: presence is {said}"):
        return
    # The certainty is rounded to a tenth of a percent.
    if percent is not None and threshold is not None and abs(percent - 100 * threshold) > 0.1:
        faults.want((said == [PRESENT]) == (percent > 100 * threshold), "SR-PRESENCE", name,
                    f"{where}: {percent} % at an operating point of {threshold} is called otherwise")
    if said == [ABSENT]:
        faults.want(not children(group, "111030"), "SR-PRESENCE", name, f"{where} is absent and has a region")


def where_it_is(name, where, group, study, region, uid, faults):
    """A region with its film (TID 1410), or the film alone (TID 1501)."""
    drawn = [i for i in content(group) if text(i, "ValueType") == "SCOORD"]
    alone = [sop for i in children(group, SOURCE) for _, sop in references(i)]
    template = [text(t, "TemplateIdentifier") for t in items(group, "ContentTemplateSequence")]
    faults.want(template == ["1410" if drawn else "1501"], "SR-TEMPLATE", name, f"{where} declares template {template}")
    faults.want(len(drawn) <= 1, "SR-REGION", name, f"{where} has several regions")
    if not drawn:
        faults.want(alone, "SR-REFERENCE", name, f"{where} names neither region nor film")
        study.analyzed.update(alone)
        return
    region.points = pairs(drawn[0].get("GraphicData"))
    selected = items(drawn[0], "ContentSequence")
    films = [sop for i in selected for _, sop in references(i)]
    if not faults.want(len(films) == 1, "SR-REGION", name, f"{where}: the region is selected from {len(films)} films"):
        return
    faults.want(text(selected[0], "RelationshipType") == "SELECTED FROM", "SR-RELATION", name,
                f"{where}: the region's film is {text(selected[0], 'RelationshipType')}, not SELECTED FROM")
    study.analyzed.update(films)
    film = study.films.get(films[0])
    if film is None:
        return  # said by the references
    faults.want(text(drawn[0], "GraphicType") == "POLYLINE", "SR-REGION", name, f"{where}: the region is no polyline")
    if outline(region.points, film, "SR-REGION", name, where, faults):
        region.film = films[0]
        study.regions[uid] = region


def outline(points, film, check_name, name, where, faults):
    """A closed polygon with an area, inside its film."""
    if not faults.want(len(points) >= 4, check_name, name, f"{where}: the outline has {len(points)} points"):
        return False
    closed = faults.want((points[0] == points[-1]).all(), check_name, name, f"{where}: the outline is not closed")
    limit = np.array([film.data.Columns, film.data.Rows])
    inside = faults.want((points >= 0).all() and (points <= limit).all(), check_name, name,
                         f"{where}: the outline leaves the film of {limit[0]} x {limit[1]}")
    return closed and inside and faults.want(surface(points) >= 1, check_name, name, f"{where}: the outline has no area")
