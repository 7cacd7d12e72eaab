"""pynetdicom as a destination that follows a script. Prints its port, then one JSON line for whatever happens;
runs until its input ends. A line of JSON on its input changes the options from then on.

outbox_peer.py JSON
    port      where it listens; 0 for any
    echo      whether it takes Verification
    classes   SOP classes that it takes; all storage classes if empty
    reject    [result, source, reason] of an A-ASSOCIATE-RJ for everybody; null for none
    answers   statuses of C-STORE by SOP class, "*" for the others: one after the other, the last one for ever;
              "silence" never answers, "abort" aborts
    commitment  null: it does not offer it; else an object:
        action   status of the N-ACTION response (0)
        says     one after the other, the last one for ever: "all", "none", "half" (every second instance fails),
                 "never" (no report); "none" and "half" fail with the reason `reason` (0x0112)
        unknown  whether a report on a transaction that nobody began goes first
        delay    seconds until the report (0.1)
        node     port of the node, to report on a new association; null reports on the same one
    find      whether it answers C-FIND, from what it stored and did not lose
    lose      whether it forgets what it stored at once
    delay     seconds before the answer to each C-STORE
"""

import hashlib
import json
import sys
import threading
import time

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

options = {"port": 0, "echo": True, "classes": [], "reject": None, "answers": {}, "commitment": None, "find": False,
           "lose": False, "delay": 0}
options.update(json.loads(sys.argv[1]))
lock = threading.Lock()
counts = {}
kept = set()


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
    contexts = [context.abstract_syntax for context in event.assoc.requestor.requested_contexts]
    tell("association", association=number, commitment=StorageCommitmentPushModel in contexts)


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
        digest=hashlib.sha256(request.DataSet.getvalue()).hexdigest(),
    )
    time.sleep(options["delay"])
    if answer == "silence":
        time.sleep(3600)
    if answer == "abort":
        event.assoc.abort()
        return 0xC000
    if answer == 0 and not options["lose"]:
        kept.add(str(request.AffectedSOPInstanceUID))
    return answer


def action(event):
    how = {"action": 0, "says": ["all"], "reason": 0x0112, "unknown": False, "delay": 0.1, "node": None}
    how.update(options["commitment"])
    asked = event.action_information
    instances = [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in asked.ReferencedSOPSequence]
    with lock:
        count = counts.get("action", 0)
        counts["action"] = count + 1
    says = how["says"][min(count, len(how["says"]) - 1)]
    tell("action", association=id(event.assoc), transaction=asked.TransactionUID, says=says,
         instances=[uid for _, uid in instances])
    if how["action"] == 0 and says != "never":
        threading.Thread(target=report, args=(event.assoc, asked.TransactionUID, instances, says, how)).start()
    return how["action"], None


def referring(pairs, reason=None):
    items = []
    for sop_class, instance in pairs:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        if reason is not None:
            item.FailureReason = reason
        items.append(item)
    return items


def report(association, transaction, instances, says, how):
    time.sleep(how["delay"])
    failed = {"all": [], "none": instances, "half": instances[1::2]}[says]
    good = [pair for pair in instances if pair not in failed]
    data = Dataset()
    data.TransactionUID = transaction
    if good:
        data.ReferencedSOPSequence = referring(good)
    if failed:
        data.FailedSOPSequence = referring(failed, how["reason"])
    own = None
    if how["node"]:
        caller = AE("PACS")
        caller.add_requested_context(StorageCommitmentPushModel)
        roles = [build_role(StorageCommitmentPushModel, scu_role=False, scp_role=True)]
        own = association = caller.associate("127.0.0.1", how["node"], ae_title="CENTINELA", ext_neg=roles)
    if how["unknown"]:
        stranger = Dataset()
        stranger.TransactionUID = generate_uid()
        stranger.ReferencedSOPSequence = referring(instances)
        send(association, stranger, 1)
    send(association, data, 2 if failed else 1)
    if own:
        own.release()


def send(association, data, kind):
    """Tells the status of the node's answer; null if there was none."""
    status = None
    if association.is_established:
        answer, _ = association.send_n_event_report(
            data, kind, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
        status = answer.Status if "Status" in answer else None
    tell("reported", transaction=data.TransactionUID, status=status)


def find(event):
    asked = event.identifier
    tell("find", association=id(event.assoc), sop=asked.SOPInstanceUID)
    if asked.SOPInstanceUID in kept:
        yield 0xFF00, asked
    yield 0x0000, None


def ended(event):
    tell(event.event.name, association=id(event.assoc))


entity = AE("PACS")
entity.maximum_associations = 20
if options["echo"]:
    entity.add_supported_context(Verification)
for uid in options["classes"] or [context.abstract_syntax for context in AllStoragePresentationContexts]:
    entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
if options["commitment"] is not None:
    entity.add_supported_context(StorageCommitmentPushModel)
if options["find"]:
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
handlers = [
    (evt.EVT_N_ACTION, action),
    (evt.EVT_C_FIND, find),
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
