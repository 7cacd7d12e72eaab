"""pynetdicom as a destination that reports on storage commitment, on an association of its own, twice.

report_peer.py JSON, with node (port), transaction and instances (SOP Instance UIDs): reports success for all;
prints the statuses of the two answers
"""

import json
import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

asked = json.loads(sys.argv[1])
data = Dataset()
data.TransactionUID = asked["transaction"]
data.ReferencedSOPSequence = []
for instance in asked["instances"]:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", instance
    data.ReferencedSOPSequence.append(item)
entity = AE("PACS")
entity.add_requested_context(StorageCommitmentPushModel)
roles = [build_role(StorageCommitmentPushModel, scu_role=False, scp_role=True)]
association = entity.associate("127.0.0.1", asked["node"], ae_title="CENTINELA", ext_neg=roles)
statuses = []
for _ in range(2):
    answer, _ = association.send_n_event_report(
        data, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    statuses.append(answer.Status)
association.release()
print(json.dumps(statuses))
