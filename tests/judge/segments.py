"""The segmentation: one segment for each region of the report, with a mask that is its outline filled."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from reading import code, elements, items, text


def check(thing, study, faults):
    import highdicom

    data, name = thing.data, thing.name
    sources = {text(item, "ReferencedSOPInstanceUID") for e in elements(data) if e.VR == "SQ" for item in e.value
               if text(item, "ReferencedSOPInstanceUID")}
    films = [study.films[sop] for sop in sources if sop in study.films]
    faults.want(sources and len(films) == len(sources), "SEG-REFERENCE", name, "comes from no film, or from one that is none of the study")
    if not films:
        return None
    try:
        read = highdicom.seg.segread(BytesIO(thing.raw))
    except Exception as error:  # noqa: BLE001 - any refusal is a fault
        faults.add("SEG-READ", name, f"highdicom: {type(error).__name__}: {error}")
        return None
    film = films[0]
    size = (film.data.Rows, film.data.Columns)
    faults.want((data.Rows, data.Columns) == size, "SEG-MASK", name, f"is {data.Rows} x {data.Columns}, the film {size}")
    regions = {uid: r for uid, r in study.regions.items() if r.film == film.sop}
    segments = {text(s, "TrackingUID"): s for s in items(data, "SegmentSequence")}
    if study.of_kind("sr"):
        faults.want(set(segments) == set(regions), "SEG-SEGMENTS", name,
                    f"has {len(segments)} segments, the report {len(regions)} regions of the film: not the same")
    try:
        masks = np.atleast_3d(read.pixel_array) if data.get("NumberOfFrames", 1) == 1 else read.pixel_array
        masks = masks.reshape(-1, data.Rows, data.Columns)
    except Exception as error:  # noqa: BLE001 - any refusal is a fault
        faults.add("SEG-MASK", name, f"its pixels cannot be read: {error}")
        return film.sop
    for uid, segment in segments.items():
        faults.want(text(segment, "SegmentAlgorithmType") == "AUTOMATIC" and text(segment, "SegmentAlgorithmName"),
                    "SEG-SEGMENTS", name, "a segment does not say that an algorithm made it")
        faults.want(code(segment, "SegmentedPropertyTypeCodeSequence") != ("", ""), "SEG-SEGMENTS", name, "a segment has no type")
        if uid in regions:
            number = int(segment.SegmentNumber)
            faults.want(fits(masks, frames_of(data, number), regions[uid].points), "SEG-MASK", name,
                        f"the mask of {regions[uid].identifier} is not its outline filled")
    return film.sop


def frames_of(data, number):
    found = []
    for n, frame in enumerate(items(data, "PerFrameFunctionalGroupsSequence")):
        said = [int(i.ReferencedSegmentNumber) for i in items(frame, "SegmentIdentificationSequence")]
        if said == [number]:
            found.append(n)
    return found


def fits(masks, frames, points):
    if not frames:
        return False
    mask = np.zeros(masks.shape[1:], bool)
    for n in frames:
        mask |= masks[n] > 0
    canvas = Image.new("1", (mask.shape[1], mask.shape[0]))
    ImageDraw.Draw(canvas).polygon([tuple(p - 0.5) for p in points], fill=1)
    wanted = np.asarray(canvas)
    either = (mask | wanted).sum()
    return either > 0 and (mask & wanted).sum() / either >= 0.9
