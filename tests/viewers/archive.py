"""What the archive holds and gives back: Orthanc's REST API, QIDO-RS and WADO-RS against what the node sent."""

import email
import io
import json
import math

from pydicom import Dataset, dcmread

from failure import Failure

# How our kinds are listed in an archive.
MODALITIES = {"sr": "SR", "gsps": "PR", "sc": "OT", "kos": "KO", "seg": "SEG"}
BULK = ("OB", "OW", "OF", "OD", "OL", "OV", "UN")


def differences(a, b, path=""):
    """Where two data sets differ; numbers may differ as JSON makes them, bulk data is not compared."""
    for tag in sorted({e.tag for e in a} | {e.tag for e in b}):
        here = f"{path}{tag}"
        if tag not in a or tag not in b:
            yield f"{here} is only in {'the first' if tag in a else 'the second'}"
            continue
        one, two = a[tag], b[tag]
        if one.VR in BULK:
            continue
        if one.VR == "SQ":
            if len(one.value) != len(two.value):
                yield f"{here} has {len(one.value)} and {len(two.value)} items"
            for n, (x, y) in enumerate(zip(one.value, two.value)):
                yield from differences(x, y, f"{here}[{n}]")
        elif not equal(plain(one.value), plain(two.value)):
            yield here


def plain(value):
    values = list(value) if hasattr(value, "append") else [value]
    return ["" if v is None else v for v in values]


def equal(a, b):
    return len(a) == len(b) and all(
        math.isclose(float(x), float(y), rel_tol=1e-6) if isinstance(x, (int, float)) and isinstance(y, (int, float))
        else str(x).strip() == str(y).strip() for x, y in zip(a, b))


def first_part(content, kind):
    """The body of the first part of a multipart answer."""
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
    parts = message.get_payload()
    if not isinstance(parts, list):
        raise Failure(f"the answer is no multipart: {kind}")
    return parts[0].get_payload(decode=True)


def compare(name, kept, given):
    """Fails unless a file that the archive gives holds the data set that the node sent."""
    one, two = dcmread(io.BytesIO(kept)), dcmread(io.BytesIO(given))
    found = list(differences(one, two))
    if "PixelData" in one and one.PixelData != two.get("PixelData"):
        found.append("Pixel Data")
    if found:
        raise Failure(f"{name} gives another data set back: {', '.join(found[:5])}")


def check(pacs, study, sent):
    """One settled study: each result is listed under its series and comes back as it was sent, by three roads."""
    uid = study["study"]["study_uid"]
    rows = pacs.json(f"/dicom-web/studies/{uid}/series")
    listed = {r["0020000E"]["Value"][0]: r["00080060"]["Value"][0] for r in rows}
    for result in study["results"]:
        kind, sop, series = result["kind"], result["sop_instance"], result["series_uid"]
        if listed.get(series) != MODALITIES[kind]:
            raise Failure(f"QIDO lists the {kind}'s series as {listed.get(series)}")
        inside = f"/dicom-web/studies/{uid}/series/{series}/instances"
        if sop not in [r["00080018"]["Value"][0] for r in pacs.json(inside)]:
            raise Failure(f"QIDO does not list the {kind} in its series")
        identifier = json.loads(find(pacs, sop))
        if len(identifier) != 1:
            raise Failure(f"Orthanc knows {len(identifier)} instances of the {kind}")
        compare(f"REST, {kind}", sent[sop], pacs.get(f"/instances/{identifier[0]}/file"))
        content, kind_of_answer = retrieve(pacs, f"{inside}/{sop}")
        compare(f"WADO-RS, {kind}", sent[sop], first_part(content, kind_of_answer))
        metadata = pacs.json(f"{inside}/{sop}/metadata")[0]
        original = dcmread(io.BytesIO(sent[sop]), stop_before_pixels=True)
        given = Dataset.from_json(metadata, bulk_data_uri_handler=lambda *_: None)
        # Metadata of WADO-RS is always UTF-8, and says nothing of pixels but their address.
        found = [d for d in differences(original, given) if "(7FE0,0010)" not in d]
        if found:
            raise Failure(f"WADO-RS metadata of the {kind} differ: {', '.join(found[:5])}")
    return sorted({MODALITIES[r["kind"]] for r in study["results"]})


def find(pacs, sop):
    from running import ask

    query = {"Level": "Instance", "Query": {"SOPInstanceUID": sop}}
    return ask(f"http://127.0.0.1:{pacs.http}/tools/find", json.dumps(query).encode())


def retrieve(pacs, path):
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{pacs.http}{path}", headers={
        "Accept": 'multipart/related; type="application/dicom"'})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read(), answer.headers["Content-Type"]
