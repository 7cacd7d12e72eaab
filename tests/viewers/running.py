"""What runs beside the browser: a node of ours and an archive, each in a folder of its own, on free ports of loopback."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

PATIENCE = 120
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, body=None, headers=None):
    """The answer's bytes; a body makes it a POST."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.read()


def wait(what, probe):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, KeyError, urllib.error.URLError):
            answer = probe()
            if answer:
                return answer
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not happen within {PATIENCE} s")


@contextlib.contextmanager
def process(command, **keys):
    child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, **keys)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Orthanc:
    """An archive with the DICOMweb plugin; `node` is the DICOM port of our node, which it can push films to."""

    def __init__(self, folder, node):
        self.folder, self.node = folder, node
        self.dicom, self.http = free_port(), free_port()

    @contextlib.contextmanager
    def serving(self):
        self.folder.mkdir()
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps({
            "Name": "PACS", "DicomAet": "PACS", "DicomPort": self.dicom, "HttpPort": self.http,
            "StorageDirectory": str(self.folder), "IndexDirectory": str(self.folder), "Plugins": [PLUGIN],
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True,
            "DicomModalities": {"centinela": ["CENTINELA", "127.0.0.1", self.node]},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
        }))
        with (self.folder / "log").open("w") as log, process(
                ["Orthanc", config], stdout=log, stderr=log, env=os.environ | {"TCP_NODELAY": "1"}):
            wait("Orthanc answers", lambda: self.get("/system"))
            yield self

    def get(self, path, **headers):
        return ask(f"http://127.0.0.1:{self.http}{path}", headers=headers)

    def json(self, path):
        return json.loads(self.get(path, Accept="application/json"))

    def upload(self, content):
        """Stores a file by REST; gives Orthanc's own identifier."""
        return json.loads(ask(f"http://127.0.0.1:{self.http}/instances", content))["ID"]

    def push(self, identifiers):
        """Sends instances to the node by C-STORE."""
        ask(f"http://127.0.0.1:{self.http}/modalities/centinela/store", json.dumps(identifiers).encode())

    def version(self):
        return self.json("/system")["Version"]


class Node:
    """Our node, with the instrument that finds the fixtures' known opacity."""

    def __init__(self, binary, model, folder):
        self.binary, self.model, self.folder = binary, model, folder
        self.dicom = free_port()
        self.log = folder / "node.log"

    @contextlib.contextmanager
    def serving(self, peers):
        """Serves with these [[peer]] entries."""
        self.folder.mkdir()
        (self.folder / "centinela.toml").write_text("")
        (self.folder / "ae-titles.toml").write_text('[node]\nae_title = "CENTINELA"\n' + peers)
        env = os.environ | {
            "CENTINELA__STUDY__QUIET_PERIOD": "1", "CENTINELA__STORAGE__MIN_FREE": "1048576",
            "CENTINELA__STORAGE__LOW_FREE": "0", "CENTINELA__DICOM__BIND": "127.0.0.1",
            "CENTINELA__ANALYZE__MODEL": str(self.model)}
        common = ["--config", self.folder / "centinela.toml", "--peers", self.folder / "ae-titles.toml",
                  "--data-dir", self.folder / "data"]
        command = [self.binary, "serve", "--dicom-port", self.dicom, "--api-port", "0", *common]
        with self.log.open("w") as log, process(command, stdout=log, stderr=log, env=env):
            self.api = wait("the node listens", self.api_port)
            made = subprocess.run([str(c) for c in [self.binary, "token", "create", *common]], env=env,
                                  capture_output=True, check=True)
            self.token = made.stdout.decode().strip()
            yield self

    def api_port(self):
        for line in self.log.read_text().splitlines():
            words = dict(w.split("=", 1) for w in line.split() if "=" in w)
            if "listening" in line and words.get("role", "").strip('"') == "api":
                return int(words["port"])
        return None

    def study(self, uid):
        url = f"http://127.0.0.1:{self.api}/api/v1/studies/{uid}"
        return json.loads(ask(url, headers={"Authorization": f"Bearer {self.token}"}))

    def settled(self, uid):
        """The study, once it is closed and everything is delivered."""
        def probe():
            study = self.study(uid)
            done = study["study"]["state"] in ("analyzed", "skipped") and study["results"]
            return study if done and all(d["state"] in ("accepted", "committed") for d in study["deliveries"]) else None
        return wait(f"study {uid} settles", probe)

    def sent(self):
        """Bytes of the result objects as the node keeps them, by SOP Instance UID."""
        from pydicom import dcmread  # only here: the rest of the file needs no package

        found = {}
        for path in (self.folder / "data").rglob("*"):
            if path.is_file() and path.stat().st_size > 132:
                with path.open("rb") as start:
                    if start.read(132)[128:] != b"DICM":
                        continue
                data = dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
                found[str(data.SOPInstanceUID)] = path.read_bytes()
        return found
