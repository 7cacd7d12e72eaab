"""pynetdicom as a modality that speaks TLS.

pynetdicom_tls.py PORT CA OWN VERSION CALLING [--user NAME PASSCODE | --jwt KEY CLAIMS] FILE...

OWN is a certificate and its key, as PATH without ending, or - for none. VERSION is 1.2 or 1.3, or - for plain TCP.
Echoes, then pushes the files, and prints what came of it: "stored", "rejected R/S/D", "aborted", "no answer", and
before it "identity HEX" if the acceptor answered a user identity. PORT may be -PORT to ask for that answer. A token
has these CLAIMS (JSON) and is signed by openssl with the RSA key KEY (RS256).
"""

import base64
import os
import ssl
import subprocess
import sys

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification


def context(authority, own, version):
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authority)
    made.check_hostname = False
    if own != "-":
        made.load_cert_chain(own + ".pem", own + ".key")
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
    return made


def token(key, claims):
    def part(raw):
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    signed = part(b'{"alg":"RS256","typ":"JWT"}') + b"." + part(claims.encode())
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, capture_output=True, check=True)
    return signed + b"." + part(made.stdout)


def identity(words, asked):
    kind = {"--user": 2, "--jwt": 5}.get(words[0]) if words else None
    if kind is None:
        return None, words
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    if kind == 2:
        item.primary_field, item.secondary_field = words[1].encode(), words[2].encode()
    else:
        item.primary_field = token(words[1], words[2])
    item.positive_response_requested = asked
    return item, words[3:]


def main(port, authority, own, version, calling, *words):
    asked = port.startswith("-")
    item, files = identity(list(words), asked)
    entity = AE(calling)
    entity.add_requested_context(Verification)
    data_sets = [dcmread(f) for f in files]
    for data in data_sets:
        entity.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
    # Heard on the wire: an answer that comes before its own thread looks is told by pynetdicom as no connection.
    refused = []

    def heard(event):
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            refused.append(f"{event.pdu.result}/{event.pdu.source}/{event.pdu.reason_diagnostic}")

    association = entity.associate(
        "127.0.0.1",
        int(port.lstrip("-")),
        ae_title="CENTINELA",
        ext_neg=[item] if item else [],
        evt_handlers=[(evt.EVT_PDU_RECV, heard)],
        tls_args=None if version == "-" else (context(authority, own, version), "localhost"),
    )
    if refused:
        print(f"rejected {refused[0]}")
    elif not association.is_established:
        print("aborted")
    else:
        response = association.acceptor.user_identity
        if response is not None:
            print(f"identity {response.server_response.hex()}")
        answers = [association.send_c_echo()] + [association.send_c_store(data) for data in data_sets]
        association.release()
        print("stored" if all("Status" in a and a.Status == 0 for a in answers) else "no answer")


if __name__ == "__main__":
    main(*sys.argv[1:])
    # An interpreter that waits for the threads of a refused association may end badly.
    sys.stdout.flush()
    os._exit(0)
