"""Orthanc as the modality that asks for storage commitment, driven by its REST API.

orthanc_commitment.py HTTP_PORT NODE_PORT FILE EXTRA
    uploads FILE, has Orthanc send it to the node and ask for its commitment, together with the
    instance EXTRA (of the same class) if that is not empty; prints the outcome as JSON
"""

import json
import sys
import time
import urllib.request


def call(port, method, path, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.loads(answer.read())


def main(port, node, file, extra):
    peer = {"AET": "CENTINELA", "Host": "127.0.0.1", "Port": int(node), "AllowStorageCommitment": True}
    call(port, "PUT", "/modalities/centinela", peer)
    with open(file, "rb") as film:
        held = call(port, "POST", "/instances", film.read())["ID"]
    call(port, "POST", "/modalities/centinela/store", {"Resources": [held], "Synchronous": True})
    tags = get(port, f"/instances/{held}/simplified-tags")
    asked = [[tags["SOPClassUID"], tags["SOPInstanceUID"]]]
    if extra:
        asked.append([tags["SOPClassUID"], extra])
    transaction = call(port, "POST", "/modalities/centinela/storage-commitment", {"DicomInstances": asked})["ID"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        outcome = get(port, f"/storage-commitment/{transaction}")
        if outcome["Status"] != "Pending":
            print(json.dumps(outcome))
            return 0
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
