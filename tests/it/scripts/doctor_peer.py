"""pynetdicom as a peer with moods. Prints its port, runs until its input ends.

doctor_peer.py JSON
    title     its AE title; another called title is refused (1/1/7)
    calling   AE titles that it knows; others are refused (1/1/3)
    classes   SOP classes that it takes besides Verification
    echo      status of its C-ECHO responses; null for no Verification at all
    calls     port of the node that it calls back when it is asked for storage commitment; 0 for nobody
    commit    status of its N-ACTION responses
"""

import json
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

options = {"title": "PACS", "calling": [], "classes": [], "echo": 0, "calls": None, "commit": 0}
options.update(json.loads(sys.argv[1]))


def call_back(transaction):
    entity = AE(options["title"])
    entity.add_requested_context(StorageCommitmentPushModel)
    roles = [build_role(StorageCommitmentPushModel, scp_role=True)]
    association = entity.associate("127.0.0.1", options["calls"], ae_title="CENTINELA", ext_neg=roles)
    if association.is_established:
        association.release()


def action(event):
    if options["commit"] == 0 and options["calls"]:
        threading.Timer(0.3, call_back, [event.action_information.TransactionUID]).start()
    return options["commit"], Dataset()


entity = AE(options["title"])
entity.require_called_aet = True
entity.require_calling_aet = options["calling"]
if options["echo"] is not None:
    entity.add_supported_context(Verification)
for uid in options["classes"]:
    entity.add_supported_context(uid)
if options["calls"] is not None:
    entity.add_supported_context(StorageCommitmentPushModel)
handlers = [(evt.EVT_C_ECHO, lambda event: options["echo"]), (evt.EVT_C_STORE, lambda event: 0), (evt.EVT_N_ACTION, action)]
server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
print(server.socket.getsockname()[1], flush=True)
sys.stdin.read()
server.shutdown()
