"""A modality that says how urgent a film is.

urgent.py PORT PRIORITY REQUEST FILE   PRIORITY of C-STORE: 0 medium, 1 high, 2 low; REQUEST: Requested Procedure
                                       Priority (0040,1003) in the Request Attributes Sequence, or "-" for none
"""

import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

port, priority, request, file = sys.argv[1:]
data = dcmread(file)
if request != "-":
    item = Dataset()
    item.RequestedProcedurePriority = request
    data.RequestAttributesSequence = [item]
entity = AE("MODALITY")
entity.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
association = entity.associate("127.0.0.1", int(port), ae_title="CENTINELA")
answer = association.send_c_store(data, priority=int(priority)) if association.is_established else Dataset()
association.release()
sys.exit(0 if answer.get("Status") == 0 else 1)
