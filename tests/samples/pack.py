"""What the sample pack holds: for each study its films, what was found on them, and what a viewer should show.

AIR primitives are those of IHE Radiology's AI Results profile: qualitative findings, measurements, locations,
regions, tracking identifiers, image references, key objects, segmentations.
"""

from dataclasses import dataclass, field

# Labels that every analysed film has, with a probability below its operating point.
NEGATIVE = {"Pneumothorax": 0.031, "Effusion": 0.122, "Cardiomegaly": 0.204}
THRESHOLD = 0.5


@dataclass
class Sample:
    """One study of the pack."""

    name: str
    title: str
    films: list  # names of films
    shows: list  # sentences for the README
    primitives: str
    kinds: list = field(default_factory=lambda: ["sr", "gsps", "sc"])
    expect: list = field(default_factory=lambda: ["sr", "gsps", "sc"])  # kinds of object, each so often as it comes
    twice: bool = False  # a second region of the same finding beside the first
    skip: dict = field(default_factory=dict)  # a reason: nothing is analysed
    language: str = "en"
    revision: int = 1
    predecessor: str = ""  # name of the sample whose report is replaced
    sr_class: str = ""
    negatives: str = "groups"
    heat_map: bool = False  # a second capture for each film with a finding, and captures in RLE


COMPREHENSIVE, ENHANCED = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22"

REGION = "A yellow contour around the bright opacity in the patient's left lung, at the right of the picture."

SAMPLES = [
    Sample(
        "01-positive-dx", "DX, portrait, MONOCHROME2, one finding with one region", ["dx_portrait_mono2_14"],
        [REGION, "The report's group `CXR AI Lung opacity` has certainty 87.0 %, operating point 0.5, presence Present, "
         "and three more groups with presence Absent."],
        "qualitative findings, measurement (certainty), region, tracking identifiers, image references",
    ),
    Sample(
        "02-positive-mono1-landscape", "DX, landscape, MONOCHROME1, window and INVERSE shape", ["dx_landscape_mono1_12"],
        ["The film is not inverted when the presentation state is applied: bone stays white.",
         "The contour lies around the bright opacity, not mirrored and not transposed."],
        "region, image references",
    ),
    Sample(
        "03-two-regions", "one finding with two regions: two groups with one Finding and two tracking identifiers",
        ["dx_portrait_mono2_14"],
        ["Two contours, both labelled Lung opacity; the second lies below the first."],
        "regions, tracking identifiers", twice=True,
    ),
    Sample(
        "04-negative", "no finding reaches its operating point", ["dx_normal"],
        ["A report with four groups, all Absent. It does not say that the film is normal.",
         "No presentation state, since there is nothing to draw; the capture says `No finding above threshold`."],
        "qualitative findings (absence)", expect=["sr", "sc"],
    ),
    Sample(
        "05-negative-omitted", "the same where a site leaves negative groups out", ["dx_normal"],
        ["The report still has measurement groups: viewers fail on a report without any."],
        "qualitative findings (absence)", kinds=["sr"], expect=["sr"], negatives="omit",
    ),
    Sample(
        "06-first-film", "the first film of a study, PA portrait, before the second came", ["pa_ap_1_pa"],
        ["Revision 1 of the study: one film, one region."], "region, image references",
    ),
    Sample(
        "07-revision", "the same study with its second film, AP landscape MONOCHROME1", ["pa_ap_1_pa", "pa_ap_2_ap"],
        ["One report for both films, which names that of 06 in Predecessor Documents Sequence (0040,A360).",
         "Each region belongs to its own film; one presentation state and one capture for each."],
        "regions, image references", expect=["sr", "gsps", "sc", "gsps", "sc"], revision=2, predecessor="06-first-film",
    ),
    Sample(
        "08-not-analyzed", "a lateral film alone: not analysed, with the reason", ["lateral_only"],
        ["One group with Finding (111225, DCM, Not Attempted) and the reason as a comment. No number, no region."],
        "qualitative findings (status)", kinds=["sr"], expect=["sr"], skip={"code": "view", "found": "lateral"},
    ),
    Sample(
        "09-japanese", "CR, a patient with three component groups, ISO 2022 IR 87 at the source",
        ["cr_portrait_japanese"],
        ["The patient is named as in the film: Yamada^Tarou=山田^太郎=やまだ^たろう, here in ISO_IR 192 (UTF-8)."],
        "region, image references",
    ),
    Sample(
        "10-spanish", "CR, MONOCHROME1, texts in Spanish", ["cr_portrait_mono1_10_latin1"],
        ["Names and notice are Spanish, with accents; the codes are the same."], "qualitative findings, region",
        language="es",
    ),
    Sample(
        "11-comprehensive-sr", "the report of 01 as Comprehensive SR, for archives that refuse the 3D class",
        ["dx_portrait_mono2_14"], ["The same content as 01, another SOP class and instance."],
        "as 01", kinds=["sr"], expect=["sr"], sr_class=COMPREHENSIVE,
    ),
    Sample(
        "12-enhanced-sr", "the report of 01 as Enhanced SR", ["dx_portrait_mono2_14"],
        ["The same content as 01, another SOP class and instance."],
        "as 01", kinds=["sr"], expect=["sr"], sr_class=ENHANCED,
    ),
    Sample(
        "13-key-objects", "a key object selection of the film with a finding", ["dx_portrait_mono2_14"],
        ["Title Of Interest (113000, DCM); a viewer that knows key images marks the film."],
        "key objects", kinds=["kos"], expect=["kos"],
    ),
    Sample(
        "14-segmentation", "the region as a segmentation", ["dx_portrait_mono2_14"],
        ["One binary segment over the opacity, of the colour of the contour in 01."],
        "segmentation", kinds=["seg"], expect=["seg"],
    ),
    Sample(
        "15-heat-map", "the captures of 01 in RLE Lossless: with the contour, and under a heat map", ["dx_portrait_mono2_14"],
        ["Two captures in two series. The second one shows where the model looked, warm over the bright opacity, with a bar "
         "from low to high."],
        "region (as a picture)", kinds=["sc"], expect=["sc", "sc"], heat_map=True,
    ),
]
