"""The secondary capture: a colour picture of the film with outlines, legend and notice burned in."""

import numpy as np

from reading import code, items, text, values

MOST_COLUMNS = 1280


def check(thing, study, faults):
    data, name = thing.data, thing.name
    sources = items(data, "SourceImageSequence")
    named = [text(s, "ReferencedSOPInstanceUID") for s in sources]
    film = study.films.get(named[0]) if len(named) == 1 else None
    if not faults.want(film, "SC-REFERENCE", name, f"comes from {len(named)} films, or from one that is none of the study"):
        return None
    faults.want(text(sources[0], "ReferencedSOPClassUID") == text(film.data, "SOPClassUID"), "SC-REFERENCE", name, "gives its film another class")
    purpose = code(sources[0], "PurposeOfReferenceCodeSequence")
    faults.want(purpose == ("121322", "DCM"), "SC-REFERENCE", name, f"the purpose of the reference is {purpose}")
    for keyword, wanted in [("ImageType", ["DERIVED", "SECONDARY"]), ("ConversionType", ["WSD"]), ("Modality", ["OT"]),
                            ("BurnedInAnnotation", ["YES"]), ("LossyImageCompression", ["00"]), ("BitsAllocated", [8]),
                            ("PatientOrientation", values(film.data, "PatientOrientation"))]:
        said = values(data, keyword)[:len(wanted) or None]
        faults.want(said == wanted, "SC-IMAGE", name, f"{keyword} is {said}, not {wanted}")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        faults.want(keyword not in data, "SC-IMAGE", name, f"{keyword} would let people measure on it")
    pixels(thing, film, study, faults)
    return film.sop


def pixels(thing, film, study, faults):
    name = thing.name
    try:
        picture = thing.data.pixel_array
    except Exception as error:  # noqa: BLE001 - any refusal is a fault
        return faults.add("SC-PIXELS", name, f"its pixels cannot be read: {error}")
    if not faults.want(picture.ndim == 3 and picture.shape[2] == 3, "SC-PIXELS", name, "is no colour picture"):
        return None
    faults.want(picture.std() > 1, "SC-PIXELS", name, "its pixels are all alike")
    faults.want(max(picture.shape[:2]) <= 2 * MOST_COLUMNS, "SC-PIXELS", name, f"is too large to read: {picture.shape}")
    regions = [r for r in study.regions.values() if r.film == film.sop]
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    faults.want(not regions or (spread > 60).sum() >= 100, "SC-PIXELS", name, "shows no coloured outline")
    return on_outlines(spread > 60, film, regions, name, faults)


def on_outlines(coloured, film, regions, name, faults):
    """The film keeps its shape and starts at some corner: colour must lie along every outline there."""
    columns, rows = film.data.Columns, film.data.Rows
    for region in regions:
        best = max(share(coloured, region.points * scale + offset)
                   for scale, offset in places(coloured.shape, columns, rows))
        faults.want(best >= 0.6, "SC-OUTLINE", name, f"colour lies along {best:.0%} of the outline of {region.identifier}")


def places(shape, columns, rows):
    """How the film may lie in the picture: as wide or as high as it, at the top left, centred or at the end."""
    height, width = shape
    for scale in {width / columns, height / rows}:
        rest = np.array([width - columns * scale, height - rows * scale])
        if (rest >= -2).all():
            for part in (0.0, 0.5, 1.0):
                yield scale, rest * part
    for band in range(0, height // 3, 2):  # a band for legend or notice above the film
        scale = width / columns
        if rows * scale + band <= height + 2:
            yield scale, np.array([0, band])


def share(coloured, points):
    """How much of a line has colour within two pixels."""
    steps = [a + (b - a) * t for a, b in zip(points[:-1], points[1:]) for t in np.linspace(0, 1, 8)]
    hits = 0
    for x, y in steps:
        x, y = int(x), int(y)
        hits += bool(coloured[max(0, y - 2):y + 3, max(0, x - 2):x + 3].any())
    return hits / max(1, len(steps))
