"""An independent reader of presentation states: applies one to its film (PS3.4 annex N.2, PS3.3 C.10 and C.11).

The grey part is compared with DCMTK's dcmp2pgm, which draws no graphics; so the graphics are drawn here, and the closed
line must lie on the fixture's known lesion.
"""

import io
import subprocess

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread

from failure import Failure
from pages import box, need, overlap

SCALE = 4


def grey(film, state):
    """The film's displayed area as 0 to 255, through Modality, VOI and Presentation LUT of the state alone."""
    bits = film.BitsStored
    values = film.pixel_array.astype(np.int64) & ((1 << bits) - 1)
    if film.PixelRepresentation:
        values = np.where(values >= 1 << (bits - 1), values - (1 << bits), values)
    if "ModalityLUTSequence" in state:
        values = look_up(state.ModalityLUTSequence[0], values)[0]
    else:
        values = values * float(state.get("RescaleSlope", 1)) + float(state.get("RescaleIntercept", 0))
    shown = voi(film, state, values)
    if state.PresentationLUTShape == "INVERSE":
        shown = 1 - shown
    area = state.DisplayedAreaSelectionSequence[0]
    left, top = area.DisplayedAreaTopLeftHandCorner
    right, bottom = area.DisplayedAreaBottomRightHandCorner
    return np.rint(shown * 255)[top - 1:bottom, left - 1:right].astype(np.uint8)


def voi(film, state, values):
    """The values as 0 to 1."""
    if "SoftcopyVOILUTSequence" not in state:
        low = -(1 << (film.BitsStored - 1)) if film.PixelRepresentation else 0
        slope, intercept = float(state.get("RescaleSlope", 1)), float(state.get("RescaleIntercept", 0))
        return (values - (low * slope + intercept)) / (((1 << film.BitsStored) - 1) * slope)
    item = state.SoftcopyVOILUTSequence[0]
    if "VOILUTSequence" in item:
        found, bits = look_up(item.VOILUTSequence[0], values)
        return found / ((1 << bits) - 1)
    center = float(np.atleast_1d(item.WindowCenter)[0])
    width = float(np.atleast_1d(item.WindowWidth)[0])
    if item.get("VOILUTFunction") == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def look_up(table, values):
    """Values through a LUT, and the bits of its entries."""
    entries, first, bits = table.LUTDescriptor
    data = table.LUTData
    numbers = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)
    entries = entries or 1 << 16
    return numbers[np.clip(values - first, 0, entries - 1).astype(np.int64)].astype(float), bits


def colours(state):
    """Each layer's recommended colour, in the order in which layers are drawn."""
    layers = sorted(state.GraphicLayerSequence, key=lambda layer: int(layer.GraphicLayerOrder))
    return {layer.GraphicLayer: rgb(layer.GraphicLayerRecommendedDisplayCIELabValue) for layer in layers}


def rgb(value):
    """sRGB of a CIELab value as DICOM writes it (PS3.3 C.10.7.1.1), by D50."""
    lightness, a, b = (v / 65535 for v in value)
    y = (lightness * 100 + 16) / 116
    x, z = y + (a * 255 - 128) / 500, y - (b * 255 - 128) / 200
    cubed = np.array([t ** 3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29) for t in (x, y, z)])
    xyz = cubed * [0.9642, 1.0, 0.8249]
    matrix = np.array([[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]])
    linear = np.clip(matrix @ xyz, 0, 1)
    gamma = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return tuple(int(round(v * 255)) for v in gamma)


def for_film(state, film):
    """The graphic annotations that are for this film, with their layers' colours, in the order of the layers."""
    known = colours(state)
    mine = []
    for annotation in state.get("GraphicAnnotationSequence", []):
        images = [r.ReferencedSOPInstanceUID for r in annotation.get("ReferencedImageSequence", [])]
        if images and film.SOPInstanceUID not in images:
            continue
        need(annotation.GraphicLayer in known, f"layer {annotation.GraphicLayer} is not defined")
        mine.append(annotation)
    order = list(known)
    return [(known[a.GraphicLayer], a) for a in sorted(mine, key=lambda a: order.index(a.GraphicLayer))]


def lines(state, film):
    """The closed lines for this film."""
    found = []
    for _, annotation in for_film(state, film):
        for graphic in annotation.get("GraphicObjectSequence", []):
            need(graphic.GraphicAnnotationUnits == "PIXEL" and graphic.GraphicType == "POLYLINE", "no polyline in pixels")
            data = list(graphic.GraphicData)
            need(len(data) == 2 * graphic.NumberOfGraphicPoints, "the number of points is wrong")
            found.append(list(zip(data[::2], data[1::2])))
    return found


def picture(film, state):
    """The film as the state wants it to be shown, enlarged."""
    shown = Image.fromarray(grey(film, state)).convert("RGB")
    shown = shown.resize((shown.width * SCALE, shown.height * SCALE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(shown)
    font = ImageFont.load_default(18)
    left, top = state.DisplayedAreaSelectionSequence[0].DisplayedAreaTopLeftHandCorner

    def place(point):
        # 0,0 is the corner of the first point of the film; the area counts from 1.
        return ((point[0] - (left - 1)) * SCALE, (point[1] - (top - 1)) * SCALE)

    for colour, annotation in for_film(state, film):
        for graphic in annotation.get("GraphicObjectSequence", []):
            data = list(graphic.GraphicData)
            draw.line([place(p) for p in zip(data[::2], data[1::2])], fill=colour, width=3)
        for text in annotation.get("TextObjectSequence", []):
            if "AnchorPoint" in text:
                x, y = place(text.AnchorPoint)
                draw.text((x, y - 24), text.UnformattedTextValue, fill=colour, font=font)
            else:
                x, y = text.BoundingBoxTopLeftHandCorner
                draw.text((x * shown.width, y * shown.height), text.UnformattedTextValue, fill=colour, font=font)
    return shown


def dcmtk(film, state, work):
    """The grey part as dcmp2pgm renders it."""
    paths = [work / "film.dcm", work / "state.dcm", work / "out.pgm"]
    for path, content in zip(paths, (film, state)):
        path.write_bytes(content)
    done = subprocess.run(["dcmp2pgm", "--pstate", paths[1], paths[0], paths[2]], capture_output=True, check=False)
    if done.returncode:
        raise Failure(f"dcmp2pgm: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return np.asarray(Image.open(paths[2]))


def check(film_bytes, state_bytes, boxes, work):
    """One state and its film; gives the picture."""
    film, state = dcmread(io.BytesIO(film_bytes)), dcmread(io.BytesIO(state_bytes))
    ours, theirs = grey(film, state), dcmtk(film_bytes, state_bytes, work)
    need(ours.shape == theirs.shape, f"{ours.shape} here, {theirs.shape} in dcmp2pgm")
    worst = int(np.abs(ours.astype(int) - theirs).max())
    need(worst <= 2, f"dcmp2pgm shows greys that differ by {worst}")
    found = lines(state, film)
    need(len(found) == len(boxes), f"{len(found)} lines for {len(boxes)} lesions")
    for known in boxes:
        best = max(overlap(box(line), known["box"]) for line in found)
        need(best >= known["min_iou"], f"the line meets the known lesion by {best:.2f} only")
    # As displayed, the lesion is the brightest of the film.
    x0, y0, x1, y1 = (int(round(v)) for v in boxes[0]["box"])
    inside = ours[y0 + 3:y1 - 3, x0 + 3:x1 - 3].mean()
    need(inside > 230, f"the lesion is shown at {inside:.0f}: the film is inverted")
    return picture(film, state)


def inverted(state_bytes):
    """The same state with the wrong Presentation LUT Shape."""
    state = dcmread(io.BytesIO(state_bytes))
    state.PresentationLUTShape = "IDENTITY" if state.PresentationLUTShape == "INVERSE" else "INVERSE"
    return written(state)


def swapped(state_bytes):
    """The same state with x and y of its lines swapped."""
    state = dcmread(io.BytesIO(state_bytes))
    for annotation in state.GraphicAnnotationSequence:
        for graphic in annotation.get("GraphicObjectSequence", []):
            data = list(graphic.GraphicData)
            graphic.GraphicData = [v for x, y in zip(data[::2], data[1::2]) for v in (y, x)]
    return written(state)


def elsewhere(state_bytes):
    """The same state for another film."""
    state = dcmread(io.BytesIO(state_bytes))
    for annotation in state.GraphicAnnotationSequence:
        annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"
    return written(state)


def written(state):
    target = io.BytesIO()
    state.save_as(target, enforce_file_format=True)
    return target.getvalue()


FAULTS = [inverted, swapped, elsewhere]
