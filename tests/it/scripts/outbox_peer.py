"""pynetdicom as a destination that follows a script. Prints its port, then one JSON line for whatever happens;
runs until its input ends. A line of JSON on its input changes the options from then on.

outbox_peer.py JSON
    port      where it listens; 0 for any
    echo      whether it takes Verification
    classes   SOP classes that it takes; all storage classes if empty
    reject    [result, source, reason] of an A-ASSOCIATE-RJ for everybody; null for none
    answers   statuses of C-STORE by SOP class, "*" for the others: one after the other, the last one for ever;
              "silence" never answers, "abort" aborts
    delay     seconds before the answer to each C-STORE
"""

import json
import sys
import threading
import time

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

options = {"port": 0, "echo": True, "classes": [], "reject": None, "answers": {}, "delay": 0}
options.update(json.loads(sys.argv[1]))
lock = threading.Lock()
counts = {}


def tell(what, **more):
    with lock:
        print(json.dumps({"what": what, "at": time.time(), **more}), flush=True)


def requested(event):
    number = id(event.assoc)
    if options["reject"]:
        tell("rejected", association=number)
        event.assoc.acse.send_reject(*options["reject"])
        event.assoc.kill()
        return
    tell("association", association=number)


def echo(event):
    tell("echo", association=id(event.assoc))
    return 0x0000


def store(event):
    request = event.request
    answers = options["answers"].get(request.AffectedSOPClassUID, options["answers"].get("*", [0]))
    with lock:
        count = counts.get(request.AffectedSOPClassUID, 0)
        counts[request.AffectedSOPClassUID] = count + 1
    answer = answers[min(count, len(answers) - 1)]
    tell(
        "store",
        association=id(event.assoc),
        sop=str(request.AffectedSOPInstanceUID),
        sop_class=str(request.AffectedSOPClassUID),
        answer=answer,
    )
    time.sleep(options["delay"])
    if answer == "silence":
        time.sleep(3600)
    if answer == "abort":
        event.assoc.abort()
        return 0xC000
    return answer


def ended(event):
    tell(event.event.name, association=id(event.assoc))


entity = AE("PACS")
entity.maximum_associations = 20
if options["echo"]:
    entity.add_supported_context(Verification)
for uid in options["classes"] or [context.abstract_syntax for context in AllStoragePresentationContexts]:
    entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
handlers = [
    (evt.EVT_REQUESTED, requested),
    (evt.EVT_C_ECHO, echo),
    (evt.EVT_C_STORE, store),
    (evt.EVT_RELEASED, ended),
    (evt.EVT_ABORTED, ended),
]
server = entity.start_server(("127.0.0.1", options["port"]), block=False, evt_handlers=handlers)
print(server.socket.getsockname()[1], flush=True)
for line in sys.stdin:
    with lock:
        counts.clear()
        options.update(json.loads(line))
import os

os._exit(0)
