"""One way each to break a good set of results, and the check that must say so."""

import copy
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from reading import code, content, elements, read

DEFECTS = []
NOBODY = "2.25.4242424242"


@dataclass
class Defect:
    name: str
    check: str
    of: str
    make: object


def defect(check, of="first"):
    def keep(make):
        DEFECTS.append(Defect(make.__name__, check, of, make))
        return make
    return keep


# ---------------------------------------------------------------- tools of the defects
def replace_pixels(data, picture):
    """Other pixels, uncompressed."""
    data.PixelData = picture.tobytes()
    data["PixelData"].VR = "OW"
    data["PixelData"].is_undefined_length = False
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def coded(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def named(data, concept):
    return [item for item in content(data) if code(item)[0] == concept]


def without(data, *concepts):
    """Removes every item of the concepts, wherever it stands."""
    for item in [data, *content(data)]:
        if "ContentSequence" in item:
            item.ContentSequence = Sequence([c for c in item.ContentSequence if code(c)[0] not in concepts])


def groups(data):
    return named(data, "125007")


def outlines(data):
    return [item for item in content(data) if item.get("ValueType") == "SCOORD"]


def graphics(data):
    return [g for a in data.GraphicAnnotationSequence for g in a.get("GraphicObjectSequence", [])]


def moved(item, change):
    points = np.array(item.GraphicData, float).reshape(-1, 2)
    item.GraphicData = [float(v) for v in change(points).reshape(-1)]


def everywhere(s, change):
    """The same change to the regions of report and state, so that they still agree."""
    for item in outlines(s["sr"]) + graphics(s["gsps"]):
        moved(item, change)
    s.drop("seg")


def same_length(raw, old, new):
    assert len(old) == len(new) and raw.count(old) >= 1
    return raw.replace(old, new)


# ---------------------------------------------------------------- files, UIDs, character set
@defect("FILE")
def file_meta_of_another_object(s):
    uid = s.things["sr"].sop.encode()
    s.raw("sr", lambda raw: raw.replace(uid, b"2.25.7" + b"0" * (len(uid) - 6), 1))


@defect("FILE")
def file_cut_short(s):
    s.raw("gsps", lambda raw: raw[:len(raw) // 2])


@defect("FILE")
def file_without_prefix(s):
    s.raw("sr", lambda raw: raw[:128] + b"MCID" + raw[132:])


@defect("KIND")
def report_as_basic_text(s):
    s["sr"].SOPClassUID = s["sr"].file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"


@defect("UID")
def instance_uid_of_another_object(s):
    s["gsps"].SOPInstanceUID = s["gsps"].file_meta.MediaStorageSOPInstanceUID = s.things["sr"].sop


@defect("UID")
def instance_uid_of_the_film(s):
    s["sc"].SOPInstanceUID = s["sc"].file_meta.MediaStorageSOPInstanceUID = s.film().SOPInstanceUID


@defect("UID")
def uid_with_a_leading_zero(s):
    s["gsps"].SOPInstanceUID = s["gsps"].file_meta.MediaStorageSOPInstanceUID = "2.25.0123"


@defect("UID")
def uid_too_long(s):
    named(s["sr"], "112040")[0].UID = "2.25." + "1" * 60


@defect("CHARSET")
def utf8_under_a_latin1_label(s):
    s.raw("sr", lambda raw: same_length(raw, b"ISO_IR 192", b"ISO_IR 100"))


@defect("CHARSET")
def latin1_bytes_under_the_unicode_label(s):
    s.raw("sr", lambda raw: raw.replace("José ".encode(), "José".encode("latin-1") + b"  "))


@defect("CHARSET")
def text_encoded_twice(s):
    s["sr"].StudyDescription = s.film().StudyDescription.encode().decode("latin-1")


@defect("PATIENT")
def name_with_question_marks(s):
    s["sr"].PatientName = "Mu?oz Ib??ez^Jos? ?ngel"


@defect("PATIENT", "inverted")
def name_without_its_other_groups(s):
    s["sr"].PatientName = str(s.film().PatientName).split("=")[0]


@defect("PATIENT")
def patient_id_of_another(s):
    s["gsps"].PatientID = "PHV-9"


@defect("PATIENT")
def birth_date_lost(s):
    s["sr"].PatientBirthDate = ""


@defect("PATIENT")
def issuer_of_patient_id_lost(s):
    del s["gsps"].IssuerOfPatientID


@defect("PATIENT")
def other_patient_ids_lost(s):
    del s["kos"].OtherPatientIDsSequence


@defect("PATIENT")
def patient_age_made_up(s):
    s["sr"].PatientAge = "041Y"


@defect("PATIENT")
def patient_comments_changed(s):
    s["sc"].PatientComments = "improved"


@defect("STUDY")
def study_uid_of_its_own(s):
    s["sr"].StudyInstanceUID = NOBODY


@defect("STUDY")
def accession_number_lost(s):
    for kind in ("sr", "gsps", "sc", "kos", "seg"):
        if kind in s.things:
            s[kind].AccessionNumber = ""


@defect("STUDY")
def referring_physician_lost(s):
    s["seg"].ReferringPhysicianName = ""


@defect("STUDY")
def study_description_lost(s):
    del s["sr"].StudyDescription


@defect("SERIES")
def series_shared_by_two_kinds(s):
    s["gsps"].SeriesInstanceUID = s.things["sr"].data.SeriesInstanceUID


@defect("SERIES")
def series_of_the_film(s):
    s["sr"].SeriesInstanceUID = s.film().SeriesInstanceUID


@defect("SERIES")
def series_number_of_the_film(s):
    s["sc"].SeriesNumber = s.film().SeriesNumber


@defect("SERIES")
def software_version_missing(s):
    del s["gsps"].SoftwareVersions


@defect("SERIES")
def another_serial_number(s):
    s["sc"].DeviceSerialNumber = "someone else"


@defect("IOD")
def report_with_modality_ot(s):
    s["sr"].Modality = "OT"


@defect("IOD")
def completion_flag_missing(s):
    del s["sr"].CompletionFlag


@defect("IOD")
def code_without_meaning(s):
    del named(s["sr"], "121071")[0].ConceptCodeSequence[0].CodeMeaning


@defect("WARNING")
def modality_outside_the_defined_terms(s):
    s["sc"].ConversionType = "XYZ"


@defect("NOTICE")
def notice_missing_everywhere(s):
    s["gsps"].ContentDescription = "findings"
    s["sr"].SeriesDescription = "findings"
    without(s["sr"], "111002")
    for annotation in s["gsps"].GraphicAnnotationSequence:
        for said in annotation.get("TextObjectSequence", []):
            said.UnformattedTextValue = "x"


@defect("NOTICE")
def notice_missing_in_one_group(s):
    group = groups(s["sr"])[1]
    group.ContentSequence = Sequence([c for c in group.ContentSequence if "diagnostic" not in str(c.get("TextValue", ""))])


@defect("NOTICE")
def notice_not_drawn(s):
    s["gsps"].GraphicAnnotationSequence[-1].TextObjectSequence[0].UnformattedTextValue = "AI"


@defect("NOTICE")
def capture_without_notice_in_words(s):
    s["sc"].DerivationDescription = "Film with contours"


@defect("NOTICE")
def series_that_calls_itself_final(s):
    s["sr"].SeriesDescription = "AI CXR findings"


@defect("KINDS")
def state_missing(s):
    s.drop("gsps")


@defect("KINDS")
def report_missing(s):
    s.drop("sr")


@defect("KINDS")
def selection_missing(s):
    s.drop("kos")


# ---------------------------------------------------------------- report
@defect("SR-ALGORITHM")
def report_without_algorithm(s):
    without(s["sr"], "111001", "111003")


@defect("SR-ALGORITHM")
def report_without_weights(s):
    for group in groups(s["sr"]):
        group.ContentSequence = Sequence([c for c in group.ContentSequence if "weights" not in str(c.get("TextValue", ""))])


@defect("SR-PROBABILITY")
def report_without_certainty(s):
    without(s["sr"], "111012")


@defect("SR-PROBABILITY")
def certainty_beyond_all_percent(s):
    for item in named(s["sr"], "111012"):
        item.MeasuredValueSequence[0].NumericValue = "913"


@defect("SR-PROBABILITY")
def certainty_in_another_unit(s):
    for item in named(s["sr"], "111012"):
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = coded("1", "UCUM", "no units")


@defect("SR-PROBABILITY")
def certainty_without_a_value(s):
    named(s["sr"], "111012")[0].MeasuredValueSequence = Sequence([])


@defect("SR-PROBABILITY")
def operating_point_missing(s):
    without(s["sr"], "111071")


@defect("SR-PRESENCE")
def presence_against_the_operating_point(s):
    for item in named(s["sr"], "705057003")[:1]:
        item.ConceptCodeSequence = coded("2667000", "SCT", "Absent")


@defect("SR-PRESENCE")
def presence_missing(s):
    without(s["sr"], "705057003")


@defect("SR-REGION")
def region_outside_the_film(s):
    moved(outlines(s["sr"])[0], lambda p: p + 4000)


@defect("SR-REGION")
def region_not_closed(s):
    moved(outlines(s["sr"])[0], lambda p: p[:-1])


@defect("SR-REGION")
def region_without_area(s):
    moved(outlines(s["sr"])[0], lambda p: p[:, :1].repeat(2, axis=1))


@defect("SR-REGION")
def region_with_half_a_point(s):
    item = outlines(s["sr"])[0]
    item.GraphicData = list(item.GraphicData)[:-1]


@defect("REGIONS")
def region_with_swapped_axes(s):
    for item in outlines(s["sr"]):
        moved(item, lambda p: p[:, ::-1])


@defect("TRUTH")
def axes_swapped_everywhere(s):
    everywhere(s, lambda p: p[:, ::-1])


@defect("TRUTH")
def mirrored_everywhere(s):
    everywhere(s, lambda p: np.column_stack([s.film().Columns - p[:, 0], p[:, 1]]))


@defect("TRUTH")
def upside_down_everywhere(s):
    everywhere(s, lambda p: np.column_stack([p[:, 0], s.film().Rows - p[:, 1]]))


@defect("TRUTH")
def finding_under_the_wrong_code(s):
    for item in named(s["sr"], "121071"):
        item.ConceptCodeSequence = coded("233604007", "SCT", "Pneumonia")


@defect("TRUTH", "second")
def regions_on_the_other_film(s):
    uids = [f.sop for f in s.films]
    for data in (s["sr"],):
        for element in elements(data):
            if element.keyword == "ReferencedSOPInstanceUID":
                element.value = uids[1 - uids.index(element.value)] if element.value in uids else element.value


@defect("SR-REFERENCE")
def report_on_another_film(s):
    for item in content(s["sr"]):
        for reference in item.get("ReferencedSOPSequence", []):
            reference.ReferencedSOPInstanceUID = NOBODY


@defect("SR-REFERENCE")
def film_under_another_class(s):
    outlines(s["sr"])[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"


@defect("SR-EVIDENCE")
def evidence_missing(s):
    del s["sr"].CurrentRequestedProcedureEvidenceSequence


@defect("SR-EVIDENCE")
def evidence_in_another_series(s):
    s["sr"].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = NOBODY


@defect("SR-EVIDENCE", "second")
def evidence_without_the_second_film(s):
    study = s["sr"].CurrentRequestedProcedureEvidenceSequence[0]
    study.ReferencedSeriesSequence = Sequence(list(study.ReferencedSeriesSequence)[:1])


@defect("SR-OBSERVER")
def observer_missing(s):
    without(s["sr"], "121005", "121012", "121013", "121014", "121015", "121016")


@defect("SR-OBSERVER")
def observer_of_another_make(s):
    named(s["sr"], "121014")[0].TextValue = "Somebody"


@defect("SR-FLAGS")
def report_verified(s):
    s["sr"].VerificationFlag = "VERIFIED"


@defect("SR-FLAGS")
def report_final(s):
    s["sr"].PreliminaryFlag = "FINAL"


@defect("SR-TREE")
def report_with_another_title(s):
    s["sr"].ConceptNameCodeSequence = coded("18782-3", "LN", "X-Ray Report")


@defect("SR-TREE")
def template_not_declared(s):
    del s["sr"].ContentTemplateSequence


@defect("SR-TREE")
def report_without_groups(s):
    without(s["sr"], "125007")


@defect("SR-TREE")
def item_without_a_name(s):
    del named(s["sr"], "111012")[0].ConceptNameCodeSequence


@defect("SR-TRACKING")
def tracking_uid_missing(s):
    without(s["sr"], "112040")


@defect("SR-TRACKING")
def tracking_uid_twice(s):
    first, second = named(s["sr"], "112040")[:2]
    second.UID = first.UID


@defect("SR-RELATION")
def tracking_in_another_relation(s):
    for item in named(s["sr"], "112039"):
        item.RelationshipType = "CONTAINS"


@defect("SR-RELATION")
def film_not_selected_from(s):
    for item in outlines(s["sr"]):
        item.ContentSequence[0].RelationshipType = "CONTAINS"


@defect("SR-READ")
def relation_that_the_class_forbids(s):
    for item in outlines(s["sr"]):
        item.ContentSequence[0].RelationshipType = "CONTAINS"


@defect("SR-CODES")
def private_code_without_its_scheme(s):
    for item in named(s["sr"], "121071"):
        item.ConceptCodeSequence = coded("PTX", "99OURS", "Pneumothorax")


@defect("SR-CODES")
def code_of_something_else(s):
    named(s["sr"], "121071")[0].ConceptCodeSequence = coded("287272002", "SCT", "Cardiomegaly")


@defect("SR-CODES")
def dicom_code_with_another_meaning(s):
    named(s["sr"], "111012")[0].ConceptNameCodeSequence = coded("111012", "DCM", "Probability")


@defect("SR-CODES")
def code_value_too_long(s):
    named(s["sr"], "121071")[0].ConceptCodeSequence = coded("1" * 17, "SCT", "Pneumothorax")


@defect("SR-TEMPLATE")
def item_that_has_no_place(s):
    item = copy.deepcopy(named(s["sr"], "121106")[0]) if named(s["sr"], "121106") else copy.deepcopy(named(s["sr"], "111002")[0])
    item.ConceptNameCodeSequence = coded("121111", "DCM", "Summary")
    groups(s["sr"])[0].ContentSequence.append(item)


@defect("SR-TEMPLATE")
def group_that_declares_another_template(s):
    groups(s["sr"])[0].ContentTemplateSequence[0].TemplateIdentifier = "1411"


@defect("SR-TEMPLATE")
def report_without_language(s):
    without(s["sr"], "121049")


@defect("SR-LIBRARY")
def image_library_empty(s):
    named(s["sr"], "126200")[0].ContentSequence = Sequence([])


@defect("SR-LIBRARY", "second")
def film_passed_over(s):
    """The second film is listed, and has neither findings nor a reason."""
    uid = s.films[1].sop
    box = named(s["sr"], "126010")[0]
    about = lambda group: any(r.ReferencedSOPInstanceUID == uid for i in content(group) for r in i.get("ReferencedSOPSequence", []))  # noqa: E731
    box.ContentSequence = Sequence([g for g in box.ContentSequence if not about(g)])


@defect("SR-PREDECESSOR", "second")
def predecessor_missing(s):
    del s["sr"].PredecessorDocumentsSequence


@defect("SR-PREDECESSOR", "second")
def predecessor_of_another_study(s):
    s["sr"].PredecessorDocumentsSequence[0].StudyInstanceUID = NOBODY


@defect("SR-PREDECESSOR")
def predecessor_that_never_was(s):
    s["sr"].PredecessorDocumentsSequence = copy.deepcopy(s["sr"].CurrentRequestedProcedureEvidenceSequence)


@defect("UID", "second")
def revision_under_the_old_uid(s):
    uid = str(s["sr"].PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    s["sr"].SOPInstanceUID = s["sr"].file_meta.MediaStorageSOPInstanceUID = uid


@defect("SERIES", "second")
def revision_in_the_old_series(s):
    s["sr"].SeriesInstanceUID = s["sr"].PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID


@defect("SR-DOWNGRADE", "older")
def older_class_with_less_content(s):
    without(s["sr"], "363698007")


@defect("UID", "older")
def older_class_under_the_same_uid(s):
    uid = read(s.case.original)[0].sop
    s["sr"].SOPInstanceUID = s["sr"].file_meta.MediaStorageSOPInstanceUID = uid


@defect("SERIES", "older")
def older_class_in_the_same_series(s):
    s["sr"].SeriesInstanceUID = read(s.case.original)[0].data.SeriesInstanceUID


@defect("SR-TREE", "older")
def older_class_with_coordinates_in_space(s):
    outlines(s["sr"])[0].ValueType = "SCOORD3D"


@defect("SR-SKIPPED", "skipped")
def not_analysed_without_reason(s):
    for item in named(s["sr"], "121106"):
        item.TextValue = " "


@defect("SR-SKIPPED", "skipped")
def not_analysed_with_a_finding(s):
    for item in named(s["sr"], "121071"):
        item.ConceptCodeSequence = coded("168733007", "SCT", "Standard chest X-ray normal")


@defect("SR-SKIPPED", "skipped")
def not_analysed_with_two_groups(s):
    box = named(s["sr"], "126010")[0]
    box.ContentSequence.append(copy.deepcopy(box.ContentSequence[0]))


@defect("SR-TRACKING", "skipped")
def not_analysed_without_tracking(s):
    without(s["sr"], "112039", "112040")


# ---------------------------------------------------------------- presentation state
@defect("IOD")
def displayed_area_missing(s):
    del s["gsps"].DisplayedAreaSelectionSequence


@defect("PR-AREA")
def displayed_area_too_small(s):
    s["gsps"].DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner = [100, 100]


@defect("PR-AREA")
def displayed_area_with_swapped_axes(s):
    area = s["gsps"].DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaBottomRightHandCorner = list(area.DisplayedAreaBottomRightHandCorner)[::-1]


@defect("PR-AREA")
def pixel_spacing_of_another_film(s):
    s["gsps"].DisplayedAreaSelectionSequence[0].PresentationPixelSpacing = [0.5, 0.5]


@defect("PR-VOI")
def window_missing(s):
    del s["gsps"].SoftcopyVOILUTSequence


@defect("PR-VOI")
def table_of_another_film(s):
    table = s["gsps"].SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    table.LUTData = table.LUTData[::-1]


@defect("PR-VOI")
def window_beside_the_table(s):
    voi = s["gsps"].SoftcopyVOILUTSequence[0]
    voi.WindowCenter, voi.WindowWidth = 100, 50


@defect("PR-VOI", "inverted")
def window_of_another_film(s):
    voi = s["gsps"].SoftcopyVOILUTSequence[0]
    voi.WindowCenter, voi.WindowWidth = 100, 50


@defect("PR-RENDER", "inverted")
def grey_levels_of_another_film(s):
    voi = s["gsps"].SoftcopyVOILUTSequence[0]
    voi.WindowCenter, voi.WindowWidth = 100, 50


@defect("PR-MODALITY")
def rescale_lost(s):
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(s["gsps"], keyword)


@defect("PR-SHAPE")
def film_inverted(s):
    s["gsps"].PresentationLUTShape = "INVERSE"


@defect("PR-SHAPE", "inverted")
def inverted_film_shown_as_it_is_stored(s):
    s["gsps"].PresentationLUTShape = "IDENTITY"


@defect("PR-RENDER", "inverted")
def inverted_film_rendered_inverted(s):
    s["gsps"].PresentationLUTShape = "IDENTITY"


@defect("PR-SHUTTER")
def shutter_lost(s):
    del s["gsps"].ShutterShape


@defect("PR-REFERENCE")
def state_for_another_film(s):
    s["gsps"].ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID = NOBODY


@defect("PR-REFERENCE")
def annotation_for_another_film(s):
    s["gsps"].GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID = NOBODY


@defect("PR-LAYER")
def layer_that_is_not_defined(s):
    s["gsps"].GraphicAnnotationSequence[0].GraphicLayer = "GHOST"


@defect("PR-LAYER")
def layer_without_colour(s):
    del s["gsps"].GraphicLayerSequence[0].GraphicLayerRecommendedDisplayCIELabValue


@defect("PR-GRAPHIC")
def graphic_outside_the_film(s):
    moved(graphics(s["gsps"])[0], lambda p: p + 5000)


@defect("PR-GRAPHIC")
def graphic_with_a_wrong_count(s):
    graphics(s["gsps"])[0].NumberOfGraphicPoints = 7


@defect("PR-GRAPHIC")
def graphic_of_a_type_that_is_none(s):
    graphics(s["gsps"])[0].GraphicType = "POLYGON"


@defect("PR-DRAWN")
def state_without_graphics(s):
    del s["gsps"].GraphicAnnotationSequence


@defect("REGIONS")
def graphic_elsewhere_than_the_report(s):
    moved(graphics(s["gsps"])[0], lambda p: p + [20, 0])


@defect("REGIONS")
def graphic_that_tracks_nothing(s):
    graphics(s["gsps"])[0].TrackingUID = NOBODY


@defect("REGIONS")
def region_not_drawn(s):
    annotation = s["gsps"].GraphicAnnotationSequence[0]
    annotation.GraphicObjectSequence = Sequence(list(annotation.GraphicObjectSequence)[1:])


@defect("PR-TEXT")
def label_with_another_certainty(s):
    s["gsps"].GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue = "Pneumothorax 12%"


@defect("PR-TEXT")
def text_without_a_place(s):
    said = s["gsps"].GraphicAnnotationSequence[0].TextObjectSequence[0]
    del said.AnchorPoint


@defect("IOD")
def content_label_in_small_letters(s):
    s["gsps"]["ContentLabel"]._value = "ai findings v1!!"


@defect("IOD")
def content_description_missing(s):
    del s["gsps"].ContentDescription


@defect("PR-STATE")
def state_without_a_creator(s):
    del s["gsps"].ContentCreatorName


# ---------------------------------------------------------------- capture, key objects, segmentation
@defect("SC-PIXELS")
def capture_cut_in_half(s):
    s["sc"].PixelData = s["sc"].PixelData[:len(s["sc"].PixelData) // 4 * 2]


@defect("SC-PIXELS")
def capture_all_black(s):
    s["sc"].PixelData = bytes(len(s["sc"].PixelData))


@defect("SC-IMAGE")
def capture_as_an_acquired_film(s):
    s["sc"].Modality = "DX"
    s["sc"].ImageType = ["ORIGINAL", "PRIMARY"]


@defect("SC-IMAGE")
def capture_that_can_be_measured(s):
    s["sc"].PixelSpacing = [0.5, 0.5]


@defect("SC-OUTLINE")
def capture_with_outlines_elsewhere(s):
    picture = s["sc"].pixel_array.copy()
    shifted = np.roll(picture, 90, axis=0)
    shifted[-60:] = picture[-60:]
    s["sc"].PixelData = shifted.tobytes()


@defect("SC-NOTICE")
def capture_without_the_notice_in_the_picture(s):
    picture = s["sc"].pixel_array.copy()
    picture[-60:] = 0
    s["sc"].PixelData = picture.tobytes()


@defect("SC-HEAT", "heated")
def heat_map_elsewhere(s):
    picture = s["heat"].pixel_array.copy()
    shifted = np.roll(picture, picture.shape[0] // 3, axis=0)
    shifted[-60:] = picture[-60:]
    replace_pixels(s["heat"], shifted)


@defect("SC-NOTICE", "heated")
def heat_map_without_the_notice_in_the_picture(s):
    picture = s["heat"].pixel_array.copy()
    picture[-60:] = 0
    replace_pixels(s["heat"], picture)


@defect("KINDS", "heated")
def heat_map_that_is_not_there(s):
    s.drop("heat")


@defect("KINDS", "heated")
def heat_map_that_does_not_say_what_it_is(s):
    del s["heat"].DerivationCodeSequence


@defect("SC-PIXELS", "heated")
def heat_map_compressed_to_nothing(s):
    fragments = s["heat"].PixelData
    s["heat"].PixelData = fragments[:len(fragments) // 4 * 2]


@defect("SC-REFERENCE")
def capture_of_another_film(s):
    s["sc"].SourceImageSequence[0].ReferencedSOPInstanceUID = NOBODY


@defect("KO-REFERENCE")
def selection_of_another_film(s):
    for item in content(s["kos"]):
        for reference in item.get("ReferencedSOPSequence", []):
            reference.ReferencedSOPInstanceUID = NOBODY


@defect("KO-EVIDENCE")
def selection_without_evidence(s):
    s["kos"].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = NOBODY


@defect("KO-SELECTION", "second")
def selection_without_the_second_film(s):
    items = list(s["kos"].ContentSequence)
    last = max(n for n, i in enumerate(items) if i.get("ValueType") == "IMAGE")
    s["kos"].ContentSequence = Sequence(items[:last] + items[last + 1:])


@defect("KO-TREE")
def selection_with_another_title(s):
    s["kos"].ConceptNameCodeSequence = coded("113001", "DCM", "Rejected for Quality Reasons")


@defect("KO-TREE")
def selection_without_the_findings(s):
    named(s["kos"], "113012")[0].TextValue = "not for diagnostic use"


@defect("KO-OBSERVER")
def selection_by_nobody(s):
    without(s["kos"], "121005", "121012")


@defect("SEG-MASK")
def mask_elsewhere(s):
    data = s["seg"]
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    data.PixelData = np.packbits(np.roll(bits, 40 * data.Columns), bitorder="little").tobytes()


@defect("SEG-MASK")
def mask_empty(s):
    s["seg"].PixelData = bytes(len(s["seg"].PixelData))


@defect("SEG-SEGMENTS")
def segment_that_tracks_nothing(s):
    s["seg"].SegmentSequence[0].TrackingUID = NOBODY


@defect("SEG-SEGMENTS")
def segment_drawn_by_hand(s):
    s["seg"].SegmentSequence[0].SegmentAlgorithmType = "MANUAL"


@defect("SEG-REFERENCE")
def segmentation_of_another_film(s):
    for element in elements(s["seg"]):
        if element.keyword == "ReferencedSOPInstanceUID":
            element.value = NOBODY


@defect("SEG-READ")
def segmentation_without_segments(s):
    del s["seg"].SegmentSequence
