"""The secondary capture: a colour picture of the film with outlines, legend and notice burned in; or, in place of
the outlines, with a heat map of where the model looked for one finding."""

import numpy as np
from PIL import Image, ImageDraw

from reading import code, items, text, values

MOST_COLUMNS = 1280


def is_heat_map(thing):
    return code(thing.data, "DerivationCodeSequence") == ("130402", "DCM")


def check(thing, study, faults):
    """The film that it shows."""
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
    faults.want(picture[::8, ::8].std() > 1, "SC-PIXELS", name, "its pixels are all alike")
    faults.want(max(picture.shape[:2]) <= 2 * MOST_COLUMNS, "SC-PIXELS", name, f"is too large to read: {picture.shape}")
    red, green, blue = (np.ascontiguousarray(picture[..., n]) for n in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    banner = (spread > 20).mean(axis=1) > 0.8
    faults.want(banner.sum() >= 20, "SC-NOTICE", name, "has no coloured band with the notice")
    corner, scale = where_the_film_is(spread == 0, film.data.Columns, film.data.Rows)
    regions = [r for r in study.regions.values() if r.film == film.sop]
    if is_heat_map(thing):
        return warmth(thing, regions, spread, corner, scale, faults)
    for region in regions:
        found = share(spread > 60, region.points * scale + corner)
        faults.want(found >= 0.6, "SC-OUTLINE", name, f"colour lies along {found:.0%} of the outline of {region.identifier}")
    return None


def warmth(thing, regions, spread, corner, scale, faults):
    """Regions are where the map is high: there the colour is strongest. It belongs to one finding, so one has to fit."""
    if not regions:
        return
    height, width = spread.shape
    ratios = []
    for finding in {r.finding for r in regions}:
        canvas = Image.new("1", (width, height))
        for region in [r for r in regions if r.finding == finding]:
            ImageDraw.Draw(canvas).polygon([tuple(p) for p in region.points * scale + corner], fill=1)
        inside = np.asarray(canvas)
        # The film ends where legend and notice begin: as far below and above as the regions reach, and then some.
        film = np.zeros_like(inside)
        rows, columns = np.nonzero(inside)
        if not rows.size:
            continue
        reach = int(max(np.ptp(rows), np.ptp(columns)))
        film[max(0, rows.min() - reach):rows.max() + reach, max(int(corner[0]), columns.min() - reach):columns.max() + reach] = True
        ratios.append(spread[inside].mean() / max(1.0, spread[film & ~inside].mean()))
    best = max(ratios, default=0.0)
    faults.want(best >= 1.5, "SC-HEAT", thing.name,
                f"colour inside the regions is {best:.2f} times that around them: the map lies elsewhere")


def where_the_film_is(grey, columns, rows):
    """Only the film is without colour; legend and notice stand beside and below it. It is centred in its room."""
    across = np.flatnonzero(grey.mean(axis=0) > 0.3)
    down = np.flatnonzero(grey[:, across].mean(axis=1) > 0.3) if across.size else across
    if not down.size:
        return np.zeros(2), 1.0
    room = np.array([across[-1] - across[0] + 1, down[-1] - down[0] + 1])
    scale = min(room / [columns, rows])
    return np.array([across[0], down[0]]) + (room - scale * np.array([columns, rows])) / 2, scale


def share(coloured, points):
    """How much of a line has colour within two pixels."""
    steps = [a + (b - a) * t for a, b in zip(points[:-1], points[1:]) for t in np.linspace(0, 1, 8)]
    near = [coloured[max(0, int(y) - 2):int(y) + 3, max(0, int(x) - 2):int(x) + 3].any() for x, y in steps]
    return sum(near) / max(1, len(near))
