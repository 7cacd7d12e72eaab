"""Patient and study as the film has them: equal after decoding, nothing lost, nothing added."""

from pydicom.valuerep import validate_value
from pydicom.config import RAISE

from reading import items, text, values

PATIENT = {
    "PatientName": "PN", "PatientID": "LO", "IssuerOfPatientID": "LO", "TypeOfPatientID": "CS", "PatientBirthDate": "DA",
    "PatientBirthTime": "TM", "PatientSex": "CS", "PatientAge": "AS", "PatientSize": "DS", "PatientWeight": "DS",
    "PatientComments": "LT", "PatientIdentityRemoved": "CS",
}
STUDY = {
    "StudyInstanceUID": "UI", "StudyDate": "DA", "StudyTime": "TM", "StudyID": "SH", "AccessionNumber": "SH",
    "ReferringPhysicianName": "PN", "StudyDescription": "LO", "AdmissionID": "LO",
}
SEQUENCES = {
    "IssuerOfPatientIDQualifiersSequence": "PATIENT", "OtherPatientIDsSequence": "PATIENT",
    "IssuerOfAccessionNumberSequence": "STUDY",
}
ALWAYS = ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
          "StudyID", "AccessionNumber", "ReferringPhysicianName"]
# What belongs together: the one is only copied with the other.
TOGETHER = {"PatientIdentityRemoved": "DeidentificationMethod"}


def check(study, faults):
    for thing in study.objects:
        films = list(study.films.values())
        own = [f for f in films if f.sop in set(referred(thing.data))] if thing.kind in ("gsps", "sc", "seg") else []
        # A report speaks of several films; it has the patient and study of one of them.
        best = min((list(differences(thing.data, film.data)) for film in own or films), key=len)
        for group, text_of_it in best:
            faults.add(group, thing.name, text_of_it)


def referred(data):
    for keyword in ("ReferencedSeriesSequence", "ReferencedImageSequence", "ReferencedInstanceSequence", "SourceImageSequence"):
        for item in items(data, keyword):
            yield text(item, "ReferencedSOPInstanceUID")
            yield from referred(item)


def valid(vr, value):
    try:
        validate_value(vr, value, RAISE)
    except ValueError:
        return False
    return True


def differences(mine, film):
    for group, keywords in (("PATIENT", PATIENT), ("STUDY", STUDY)):
        for keyword, vr in keywords.items():
            wanted = text(film, keyword)
            if not valid(vr, wanted) or len(values(film, keyword)) > 1:
                wanted = ""
            if keyword in TOGETHER and not text(film, TOGETHER[keyword]):
                wanted = ""
            if text(mine, keyword) != wanted:
                # The values themselves are a patient's.
                what = "is lost" if not text(mine, keyword) else "was added" if not wanted else "differs"
                yield group, f"{keyword} {what}"
            if keyword in ALWAYS and keyword not in mine:
                yield group, f"{keyword} is absent"
    for keyword, group in SEQUENCES.items():
        wanted = [plain(item) for item in items(film, keyword)]
        if [plain(item) for item in items(mine, keyword)] != wanted:
            yield group, f"{keyword} differs"


def plain(item):
    """The item's public values, for comparison."""
    if not hasattr(item, "elements"):
        return str(item)
    kept = [e for e in item if not e.tag.is_private and e.keyword != "SpecificCharacterSet"]
    return {e.keyword: [plain(i) for i in e.value] if e.VR == "SQ" else str(e.value).rstrip() for e in kept}
