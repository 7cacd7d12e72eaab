"""The report of a study without any analysed film: one group that says why."""

from files import NOTICE
from groups import algorithm, tracking
from reading import children, code, content, references, text


def check(name, found, study, faults):
    if not faults.want(len(found) == 1, "SR-SKIPPED", name, f"has {len(found)} measurement groups, not one"):
        return
    group = found[0]
    status = [code(i, "ConceptCodeSequence") for i in children(group, "121071")]
    faults.want(status in ([("111225", "DCM")], [("111224", "DCM")]), "SR-SKIPPED", name,
                f"Finding is {status}, neither Not Attempted nor Failed")
    told = [text(i, "TextValue") for i in children(group, "121106")]
    faults.want(any(t.strip() for t in told), "SR-SKIPPED", name, "gives no reason")
    faults.want(any(NOTICE.search(t) for t in told), "NOTICE", name, "the reason goes without the notice")
    claims = [text(i, "ValueType") for i in content(group) if text(i, "ValueType") in ("NUM", "SCOORD")]
    faults.want(not claims and not children(group, ("705057003", "SCT")), "SR-SKIPPED", name, "claims a finding")
    tracking(name, "the group", group, set(), faults)
    algorithm(name, "the group", group, faults)
    films = {sop for i in children(group, ("260753009", "SCT")) for _, sop in references(i)}
    faults.want(films == set(study.films), "SR-SKIPPED", name, f"names {len(films)} of {len(study.films)} films")
