"""pynetdicom as the PACS and as the modality.

pynetdicom_peer.py receive FOLDER [CLASS...]
                                     prints its port, stores what comes (of these classes only, if any
                                     are named), runs until its input ends
pynetdicom_peer.py send PORT FILE... echoes, then pushes each file; exit 1 if any answer is no success
"""

import sys
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification


def receive(folder, classes):
    folder.mkdir(parents=True, exist_ok=True)

    def store(event):
        event.dataset.file_meta = event.file_meta
        event.dataset.save_as(folder / f"{event.request.AffectedSOPInstanceUID}.dcm", enforce_file_format=True)
        return 0x0000

    entity = AE("PACS")
    if classes:
        for uid in [Verification, *classes]:
            entity.add_supported_context(uid)
    else:
        entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    return 0


def send(port, files):
    entity = AE("MODALITY")
    entity.add_requested_context(Verification)
    data_sets = [dcmread(f) for f in files]
    for data in data_sets:
        entity.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="CENTINELA")
    if not association.is_established:
        return 1
    answers = [association.send_c_echo()] + [association.send_c_store(data) for data in data_sets]
    association.release()
    return 0 if all("Status" in a and a.Status == 0 for a in answers) else 1


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    sys.exit(receive(Path(rest[0]), rest[1:]) if verb == "receive" else send(int(rest[0]), rest[1:]))
