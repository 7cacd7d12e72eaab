"""The presentation state: its film, area, grey levels, layers and graphics, and its regions against the report's."""

import re

import numpy as np

import picture
from files import NOTICE
from groups import outline
from reading import TEXT_VRS, elements, items, pairs, text, values

WINDOW = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")


def check(thing, study, tools, faults):
    data, name = thing.data, thing.name
    if tools:
        self_check(thing, tools, faults)
    named = [(text(series, "SeriesInstanceUID"), text(image, "ReferencedSOPClassUID"), text(image, "ReferencedSOPInstanceUID"))
             for series in items(data, "ReferencedSeriesSequence") for image in items(series, "ReferencedImageSequence")]
    if not faults.want(len(named) == 1, "PR-REFERENCE", name, f"refers to {len(named)} films, not one"):
        return None
    film = study.films.get(named[0][2])
    if not faults.want(film, "PR-REFERENCE", name, "refers to a film that is none of the study"):
        return None
    right = (text(film.data, "SeriesInstanceUID"), text(film.data, "SOPClassUID"))
    faults.want(named[0][:2] == right, "PR-REFERENCE", name, "gives its film another series or class")
    for keyword in ("ContentLabel", "ContentDescription", "ContentCreatorName", "PresentationCreationDate"):
        faults.want(text(data, keyword), "PR-STATE", name, f"{keyword} is missing")
    area(data, film, name, faults)
    window(data, film, name, faults)
    modality(data, film, name, faults)
    shape(data, film, name, faults)
    shutter(data, film, name, faults)
    layers(data, film, name, faults)
    drawn = graphics(data, film, name, faults)
    labels(data, film, study, name, faults)
    against_report(drawn, film, study, name, faults)
    if tools:
        picture.check(thing, film, drawn, tools, faults)
    return film.sop


def self_check(thing, tools, faults):
    """dcmpschk ends with success whatever it finds. It takes every name with `=` or beyond ASCII for an error, and
    every text whose UTF-8 has a byte of 80 to 9F, which is a control character to it."""
    foreign = {e.keyword for e in elements(thing.data) if e.VR in TEXT_VRS and not str(e.value).isascii()}
    said = "\n".join(tools.lines("dcmpschk", thing))
    for block in re.split(r"\n(?=[EW]: \S)", said):
        of = re.search(r"Affected attribute: (\w+)", block)
        known = re.search(r"\bPN\b", block) or (of and of[1] in foreign and "does not conform" in block)
        if block.startswith("E: Error") and not known:
            faults.add("PR-STATE", thing.name, f"dcmpschk: {block}")


def area(data, film, name, faults):
    found = items(data, "DisplayedAreaSelectionSequence")
    if not faults.want(len(found) == 1, "PR-AREA", name, f"has {len(found)} displayed areas, not one"):
        return
    one = found[0]
    corners = values(one, "DisplayedAreaTopLeftHandCorner") + values(one, "DisplayedAreaBottomRightHandCorner")
    whole = [1, 1, film.data.Columns, film.data.Rows]
    faults.want([int(c) for c in corners] == whole, "PR-AREA", name, f"shows {corners}, not all of the film: {whole}")
    faults.want(text(one, "PresentationSizeMode") == "SCALE TO FIT", "PR-AREA", name, "is not scaled to fit")
    numbers = lambda of, key: [float(v) for v in values(of, key)]  # noqa: E731
    spacing = numbers(film.data, "PixelSpacing")
    if spacing:
        faults.want(numbers(one, "PresentationPixelSpacing") == spacing, "PR-AREA", name, "its pixel spacing is not the film's")
    else:
        ratio = numbers(film.data, "PixelAspectRatio") or [1, 1]
        faults.want(numbers(one, "PresentationPixelAspectRatio") == ratio, "PR-AREA", name, "its aspect ratio is not the film's")


def window(data, film, name, faults):
    """The film's first window or table, verbatim; none where the film has none."""
    voi = items(data, "SoftcopyVOILUTSequence")
    tables = items(film.data, "VOILUTSequence")
    has = bool(tables) or bool(values(film.data, "WindowCenter"))
    if not faults.want(len(voi) == int(has), "PR-VOI", name, f"has {len(voi)} VOI transformations, the film {int(has)}") or not has:
        return
    if tables:
        mine = items(voi[0], "VOILUTSequence")
        same = len(mine) == 1 and all(mine[0].get(k) == tables[0].get(k) for k in ("LUTDescriptor", "LUTData"))
        faults.want(same and "WindowCenter" not in voi[0], "PR-VOI", name, "its VOI table is not the film's, or not alone")
        return
    for keyword in WINDOW:
        mine, theirs = values(voi[0], keyword), values(film.data, keyword)[:1]
        faults.want(mine == theirs, "PR-VOI", name, f"{keyword} is {mine}, the film's {theirs}")
    mine, theirs = text(voi[0], "VOILUTFunction"), text(film.data, "VOILUTFunction")
    faults.want(mine == theirs, "PR-VOI", name, f"VOI LUT Function is {mine!r}, the film's {theirs!r}")


def modality(data, film, name, faults):
    if items(film.data, "ModalityLUTSequence"):
        same = data.get("ModalityLUTSequence") == film.data.get("ModalityLUTSequence")
        faults.want(same, "PR-MODALITY", name, "its Modality LUT is not the film's")
        return
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        mine, theirs = text(data, keyword), text(film.data, keyword)
        if keyword == "RescaleType" and not theirs and text(film.data, "RescaleSlope"):
            theirs = "US"
        faults.want(mine == theirs, "PR-MODALITY", name, f"{keyword} is {mine!r}, the film's {theirs!r}")


def shape(data, film, name, faults):
    """The pipeline of a presentation state does not know Photometric Interpretation (PS3.3 C.11.6)."""
    if items(film.data, "PresentationLUTSequence"):
        same = data.get("PresentationLUTSequence") == film.data.get("PresentationLUTSequence")
        return faults.want(same, "PR-SHAPE", name, "its Presentation LUT is not the film's")
    inverse = text(film.data, "PhotometricInterpretation") == "MONOCHROME1"
    wanted = text(film.data, "PresentationLUTShape") or ("INVERSE" if inverse else "IDENTITY")
    mine = text(data, "PresentationLUTShape")
    return faults.want(mine == wanted, "PR-SHAPE", name, f"Presentation LUT Shape is {mine!r}, not {wanted}")


def shutter(data, film, name, faults):
    keys = ["ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge",
            "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter", "VerticesOfThePolygonalShutter"]
    for keyword in keys:
        mine, theirs = values(data, keyword), values(film.data, keyword)
        faults.want(mine == theirs, "PR-SHUTTER", name, f"{keyword} is {mine}, the film's {theirs}")


def layers(data, film, name, faults):
    known = items(data, "GraphicLayerSequence")
    names = [text(layer, "GraphicLayer") for layer in known]
    orders = [text(layer, "GraphicLayerOrder") for layer in known]
    faults.want(len(set(names)) == len(names) and len(set(orders)) == len(orders), "PR-LAYER", name, "two layers share name or order")
    for layer in known:
        color = values(layer, "GraphicLayerRecommendedDisplayCIELabValue")
        faults.want(len(color) == 3, "PR-LAYER", name, f"layer {text(layer, 'GraphicLayer')} recommends no colour")
    used = set()
    for annotation in items(data, "GraphicAnnotationSequence"):
        layer = text(annotation, "GraphicLayer")
        used.add(layer)
        faults.want(layer in names, "PR-LAYER", name, f"draws on layer {layer}, which is not defined")
        said = [text(r, "ReferencedSOPInstanceUID") for r in items(annotation, "ReferencedImageSequence")]
        faults.want(said in ([], [film.sop]), "PR-REFERENCE", name, f"an annotation of layer {layer} is for another film")
    faults.want(used >= set(names), "PR-LAYER", name, f"layers without anything on them: {sorted(set(names) - used)}")


def graphics(data, film, name, faults):
    """Tracking UID and points of each outline."""
    drawn = {}
    for annotation in items(data, "GraphicAnnotationSequence"):
        for graphic in items(annotation, "GraphicObjectSequence"):
            uid, points = text(graphic, "TrackingUID"), pairs(graphic.get("GraphicData"))
            where = f"graphic {text(graphic, 'TrackingID') or uid}"
            said = (text(graphic, "GraphicType"), text(graphic, "GraphicAnnotationUnits"), text(graphic, "GraphicDimensions"),
                    text(graphic, "GraphicFilled"))
            faults.want(said == ("POLYLINE", "PIXEL", "2", "N"), "PR-GRAPHIC", name, f"{where} is {said}")
            faults.want(text(graphic, "NumberOfGraphicPoints") == str(len(points)), "PR-GRAPHIC", name,
                        f"{where} counts {text(graphic, 'NumberOfGraphicPoints')} points and has {len(points)}")
            if outline(points, film, "PR-GRAPHIC", name, where, faults):
                drawn[uid] = points
    faults.want(drawn, "PR-DRAWN", name, "draws no region")
    return drawn


def labels(data, film, study, name, faults):
    """Each region has its label, with the report's certainty; each text has a lawful place."""
    labelled = {}
    for annotation in items(data, "GraphicAnnotationSequence"):
        for said in items(annotation, "TextObjectSequence"):
            words = text(said, "UnformattedTextValue")
            faults.want(words, "PR-TEXT", name, "a text is empty")
            anchor = pairs(said.get("AnchorPoint"))
            box = list(pairs(said.get("BoundingBoxTopLeftHandCorner"))) + list(pairs(said.get("BoundingBoxBottomRightHandCorner")))
            faults.want(len(anchor) == 1 or len(box) == 2, "PR-TEXT", name, f"{words!r} has no place")
            for points, keyword in ((anchor, "AnchorPointAnnotationUnits"), (np.array(box), "BoundingBoxAnnotationUnits")):
                limit = [film.data.Columns, film.data.Rows] if text(said, keyword) == "PIXEL" else [1, 1]
                faults.want(len(points) == 0 or ((points >= 0).all() and (points <= limit).all()), "PR-TEXT", name,
                            f"{words!r} stands outside the film")
            if not NOTICE.search(words):
                labelled[text(said, "TrackingUID")] = words
    for uid, region in study.regions.items():
        if region.film == film.sop:
            wanted = "" if region.percent is None else f"{region.percent:.0f}%"
            near = {wanted, f"{(region.percent or 0) - 0.05:.0f}%", f"{(region.percent or 0) + 0.05:.0f}%"}
            faults.want(any(w in labelled.get(uid, "") for w in near), "PR-TEXT", name,
                        f"the label of {region.identifier} is {labelled.get(uid)!r}, the report says {region.percent} %")


def against_report(drawn, film, study, name, faults):
    if not study.of_kind("sr"):
        return
    reported = {uid: r for uid, r in study.regions.items() if r.film == film.sop}
    for uid in drawn.keys() - reported.keys():
        faults.add("REGIONS", name, f"graphic {uid or 'without tracking UID'} is no region of the report")
    for uid, region in reported.items():
        if faults.want(uid in drawn, "REGIONS", name, f"does not draw {region.identifier}"):
            mine, theirs = drawn[uid], region.points
            same = mine.shape == theirs.shape and np.abs(mine - theirs).max() <= 0.05
            faults.want(same, "REGIONS", name, f"draws {region.identifier} elsewhere than the report")
