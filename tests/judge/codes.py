"""Codes: lengths, schemes, one meaning for each code, the meanings of DICOM's own dictionary, known mistakes."""

from pydicom.sr._concepts_dict import concepts

from reading import elements, items, text

STANDARD = {"DCM", "SCT", "UCUM", "RADLEX", "LN", "UMLS", "NCIt", "FMA", "RFC5646", "RADELEMENT"}
# Codes that stand in published tables under a meaning that is not theirs.
WRONG = {"287272002": "Enlarged septal foramen of heart, often given for cardiomegaly",
         "78381009": "from a table with a wrong code beside it, given for pleural thickening"}


def dictionary():
    meanings = {}
    for scheme, keywords in concepts.items():
        for by_code in keywords.values():
            for value, (meaning, _) in by_code.items():
                meanings.setdefault((scheme, value), set()).add(meaning.lower())
    return meanings


MEANINGS = dictionary()


def check(thing, faults):
    declared = {text(s, "CodingSchemeDesignator") for s in items(thing.data, "CodingSchemeIdentificationSequence")}
    seen = {}
    for element in elements(thing.data):
        if element.VR != "SQ" or not element.keyword.endswith("CodeSequence"):
            continue
        for entry in element.value:
            one(entry, declared, seen, thing.name, faults)


def one(entry, declared, seen, name, faults):
    value, scheme, meaning = (text(entry, k) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
    fits = 0 < len(value) <= 16 and 0 < len(scheme) <= 16 and 0 < len(meaning) <= 64
    faults.want(fits, "SR-CODES", name, f"a code has no value, scheme or meaning of a lawful length: ({value}, {scheme}, {meaning})")
    faults.want(scheme in STANDARD | declared, "SR-CODES", name, f"({value}, {scheme}): the scheme is neither standard nor declared")
    faults.want(value not in WRONG, "SR-CODES", name, f"({value}, {scheme}): {WRONG.get(value)}")
    faults.want(seen.setdefault((scheme, value), meaning) == meaning, "SR-CODES", name, f"({value}, {scheme}) has two meanings")
    known = MEANINGS.get((scheme, value))
    if scheme == "DCM" and known and meaning:
        faults.want(meaning.lower() in known, "SR-CODES", name, f"({value}, DCM) means {sorted(known)}, not {meaning!r}")
