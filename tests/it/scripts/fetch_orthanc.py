"""Fetches the objects of an Orthanc that are not in a list of SOP Instance UIDs: fetch_orthanc.py PORT OUT [UID...]"""

import json
import sys
from pathlib import Path
from urllib.request import urlopen

port, out, known = sys.argv[1], Path(sys.argv[2]), set(sys.argv[3:])
base = f"http://127.0.0.1:{port}/instances"
out.mkdir(parents=True, exist_ok=True)
for identifier in json.load(urlopen(base)):
    uid = json.load(urlopen(f"{base}/{identifier}"))["MainDicomTags"]["SOPInstanceUID"]
    if uid not in known:
        (out / f"{uid}.dcm").write_bytes(urlopen(f"{base}/{identifier}/file").read())
        print(uid)
