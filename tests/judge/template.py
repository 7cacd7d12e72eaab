"""Which items may stand where: the rows of TID 1500, 1501, 1410, 1600, 1601 and 4019 that our reports use.

Each row is concept, relationship, value type, and how often the item may stand there.
"""

from collections import Counter

from reading import code, items, text

MANY = 10_000
HAS_CONTEXT, HAS_MOD, CONTAINS, HAS_ACQ = "HAS OBS CONTEXT", "HAS CONCEPT MOD", "CONTAINS", "HAS ACQ CONTEXT"
SOURCE = "260753009 SCT"

ALGORITHM = {  # TID 4019
    "111001 DCM": (HAS_MOD, "TEXT", 1, 1), "111003 DCM": (HAS_MOD, "TEXT", 1, 1), "122405 DCM": (HAS_MOD, "TEXT", 0, 1),
    "111002 DCM": (HAS_MOD, "TEXT", 1, MANY), "111000 DCM": (HAS_MOD, "CODE", 0, 1),
}
GROUP = {  # TID 1501
    "112039 DCM": (HAS_CONTEXT, "TEXT", 1, 1), "112040 DCM": (HAS_CONTEXT, "UIDREF", 1, 1),
    "276214006 SCT": (CONTAINS, "CODE", 0, 1), "121071 DCM": (CONTAINS, "CODE", 1, 1),
    "363698007 SCT": (HAS_MOD, "CODE", 0, MANY), "111012 DCM": (CONTAINS, "NUM", 0, 1),
    "111071 DCM": (CONTAINS, "NUM", 0, 1), "705057003 SCT": (CONTAINS, "CODE", 0, 1),
    "121106 DCM": (CONTAINS, "TEXT", 0, MANY), SOURCE: (CONTAINS, "IMAGE", 0, MANY),
    "111030 DCM": (CONTAINS, "SCOORD", 0, 1), **ALGORITHM,
}
ROWS = {
    "126000 DCM": {  # TID 1500 with 1204, 1001, 1002, 1004
        "121049 DCM": (HAS_MOD, "CODE", 1, 1), "121005 DCM": (HAS_CONTEXT, "CODE", 1, 1),
        "121012 DCM": (HAS_CONTEXT, "UIDREF", 1, 1), "121013 DCM": (HAS_CONTEXT, "TEXT", 0, 1),
        "121014 DCM": (HAS_CONTEXT, "TEXT", 0, 1), "121015 DCM": (HAS_CONTEXT, "TEXT", 0, 1),
        "121016 DCM": (HAS_CONTEXT, "TEXT", 0, 1), "121058 DCM": (HAS_MOD, "CODE", 1, MANY),
        "111028 DCM": (CONTAINS, "CONTAINER", 1, 1), "126010 DCM": (CONTAINS, "CONTAINER", 1, 1),
        "C0034375 UMLS": (CONTAINS, "CONTAINER", 0, 1),
    },
    "111028 DCM": {"126200 DCM": (CONTAINS, "CONTAINER", 1, MANY)},
    "126200 DCM": {SOURCE: (CONTAINS, "IMAGE", 1, MANY)},
    "126010 DCM": {"125007 DCM": (CONTAINS, "CONTAINER", 1, MANY)},
    "125007 DCM": GROUP,
    "111030 DCM": {SOURCE: ("SELECTED FROM", "IMAGE", 1, 1)},
    "C0034375 UMLS": {"121106 DCM": (CONTAINS, "TEXT", 0, MANY)},
    "121106 DCM": {SOURCE: ("INFERRED FROM", "IMAGE", 0, MANY)},
    SOURCE: {  # TID 1601, 1602, 1603
        "121139 DCM": (HAS_ACQ, "CODE", 0, 1), "110910 DCM": (HAS_ACQ, "NUM", 0, 1), "110911 DCM": (HAS_ACQ, "NUM", 0, 1),
        "111026 DCM": (HAS_ACQ, "NUM", 0, 1), "111066 DCM": (HAS_ACQ, "NUM", 0, 1), "111044 DCM": (HAS_ACQ, "TEXT", 0, 1),
        "111043 DCM": (HAS_ACQ, "TEXT", 0, 1), "121106 DCM": (HAS_ACQ, "TEXT", 0, 1),
    },
}


def check(thing, faults):
    walk(thing.data, thing.name, faults)


def walk(item, name, faults):
    concept = " ".join(code(item))
    rows = ROWS.get(concept, {})
    stand = [" ".join(code(child)) for child in items(item, "ContentSequence")]
    for child, known in zip(items(item, "ContentSequence"), stand):
        if faults.want(known in rows, "SR-TEMPLATE", name, f"({known}) has no place in ({concept})"):
            said = (text(child, "RelationshipType"), text(child, "ValueType"))
            faults.want(said == rows[known][:2], "SR-TEMPLATE", name, f"({known}) in ({concept}) is {said}, not {rows[known][:2]}")
        walk(child, name, faults)
    count = Counter(stand)
    for known, (_, _, least, most) in rows.items():
        faults.want(least <= count[known] <= most, "SR-TEMPLATE", name, f"({known}) stands {count[known]} times in ({concept})")
