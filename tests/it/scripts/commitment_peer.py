"""pynetdicom as a modality that asks for storage commitment.

commitment_peer.py ask PORT TRANSACTION WAIT CLASS INSTANCE... [--answer STATUS]
    sends N-ACTION as MODALITY, keeps the association open for up to WAIT seconds for the report, and
    prints JSON: {"status": N-ACTION status, "report": {...} or null}; answers STATUS (decimal, or 0)
commitment_peer.py listen PORT STATUS [OWN CA]
    prints its port (PORT 0 takes any), then each report as one line of JSON, until its input ends;
    answers STATUS (decimal). With OWN (PATH of a certificate and its key, without ending) and CA it
    speaks only TLS and demands a certificate
"""

import json
import ssl
import sys
import time

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


def seen(event):
    info = event.event_information
    items = lambda name: [item for item in info.get(name, [])]
    return {
        "type": event.event_type,
        "transaction": info.TransactionUID,
        "committed": [item.ReferencedSOPInstanceUID for item in items("ReferencedSOPSequence")],
        "failed": {item.ReferencedSOPInstanceUID: item.FailureReason for item in items("FailedSOPSequence")},
    }


def ask(port, transaction, wait, sop_class, instances, answer=0x0000):
    reports = []

    def report(event):
        reports.append(seen(event))
        return answer, None

    entity = AE("MODALITY")
    entity.add_requested_context(StorageCommitmentPushModel, SYNTAXES)
    association = entity.associate(
        "127.0.0.1",
        port,
        ae_title="CENTINELA",
        ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True, scp_role=False)],
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)],
    )
    if not association.is_established:
        return 1
    data = Dataset()
    data.TransactionUID = transaction
    data.ReferencedSOPSequence = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = instance
        data.ReferencedSOPSequence.append(item)
    status, _ = association.send_n_action(data, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    deadline = time.monotonic() + wait
    while not reports and time.monotonic() < deadline:
        time.sleep(0.02)
    association.release()
    print(json.dumps({"status": status.Status, "report": reports[0] if reports else None}), flush=True)
    return 0


def listen(port, status, own=None, authority=None):
    def report(event):
        line = seen(event) | {"calling": event.assoc.requestor.ae_title.strip()}
        print(json.dumps(line), flush=True)
        return status, None

    entity = AE("MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, SYNTAXES, scu_role=False, scp_role=True)
    context = None
    if own:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(own + ".pem", own + ".key")
    handlers = [(evt.EVT_N_EVENT_REPORT, report)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=context)
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    return 0


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "listen":
        sys.exit(listen(int(rest[0]), int(rest[1]), *rest[2:]))
    answer = 0
    if rest[-2] == "--answer":
        *rest, _, answer = rest
    sys.exit(ask(int(rest[0]), rest[1], float(rest[2]), rest[3], rest[4:], int(answer)))
