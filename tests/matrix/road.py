"""One film through a fresh node and a fresh Orthanc, judged by the acceptance checker."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60


@dataclass
class Setup:
    """The binary under test and the acceptance checker."""

    binary: Path
    checker: Path


@contextlib.contextmanager
def workplace():
    with tempfile.TemporaryDirectory(prefix="centinela-matrix-") as folder:
        yield Path(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def wait(what, ask):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, KeyError, urllib.error.URLError):
            answer = ask()
            if answer:
                return answer
        time.sleep(0.05)
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


@contextlib.contextmanager
def orthanc(folder):
    dicom, http = free_port(), free_port()
    folder.mkdir()
    config = folder / "orthanc.json"
    config.write_text(json.dumps({
        "Name": "PACS", "DicomAet": "PACS", "DicomPort": dicom, "HttpPort": http,
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": [],
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True,
    }))
    env = os.environ | {"TCP_NODELAY": "1"}
    with process(["Orthanc", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env):
        wait("Orthanc answers", lambda: get(f"http://127.0.0.1:{http}/system"))
        yield dicom, http


class Node:
    """The node under test."""

    def __init__(self, setup, folder, model, pacs, quiet="2", deliver='"full"'):
        self.folder = folder
        folder.mkdir()
        (folder / "centinela.toml").write_text("")
        (folder / "ae-titles.toml").write_text(
            '[node]\nae_title = "CENTINELA"\n[[peer]]\nname = "modality"\nae_title = "MODALITY"\nsends = true\n'
            f'[[peer]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {pacs}\n'
            f'deliver = {deliver}\non_skip = "all"\n')
        self.env = os.environ | {
            "CENTINELA__STUDY__QUIET_PERIOD": quiet, "CENTINELA__STORAGE__MIN_FREE": "1048576",
            "CENTINELA__DICOM__BIND": "127.0.0.1", "CENTINELA__ANALYZE__MODEL": model}
        self.common = ["--config", folder / "centinela.toml", "--peers", folder / "ae-titles.toml",
                       "--data-dir", folder / "data"]
        self.binary = setup.binary
        self.log = folder / "node.log"

    @contextlib.contextmanager
    def serving(self):
        command = [self.binary, "serve", "--dicom-port", "0", "--api-port", "0", *self.common]
        with self.log.open("w") as log, process(command, stdout=log, stderr=log, env=self.env):
            self.dicom, self.api = wait("the node listens", self.ports)
            made = subprocess.run([str(c) for c in [self.binary, "token", "create", *self.common]], env=self.env,
                                  capture_output=True, check=True)
            self.token = made.stdout.decode().strip()
            yield self

    def ports(self):
        found = {}
        for line in self.log.read_text().splitlines():
            if "listening" in line:
                words = dict(w.split("=", 1) for w in line.split() if "=" in w)
                found[words["role"].strip('"')] = int(words["port"])
        return (found["scp"], found["api"])

    def study(self, uid):
        return json.loads(get(f"http://127.0.0.1:{self.api}/api/v1/studies/{uid}", self.token))

    def settled(self, uid):
        study = self.study(uid)
        accepted = all(d["state"] in ("accepted", "committed") for d in study["deliveries"])
        return study if accepted and study["study"]["state"] in ("analyzed", "skipped") else None

    def analyze(self, film, out, profile="full"):
        command = [self.binary, "analyze", film, "--out", out, "--profile", profile, *self.common]
        subprocess.run([str(c) for c in command], env=self.env, check=True, stdout=subprocess.DEVNULL)
        return json.loads((out / "findings.json").read_text())


def fetch(http, folder):
    folder.mkdir()
    base = f"http://127.0.0.1:{http}/instances"
    for identifier in json.loads(get(base)):
        (folder / f"{identifier}.dcm").write_bytes(get(f"{base}/{identifier}/file"))
    return folder


def judge(setup, sources, results, *options):
    done = subprocess.run([sys.executable, str(setup.checker), str(sources), str(results), *map(str, options)],
                          capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def push(node, film):
    """Returns the milliseconds from the start of storescu to everything accepted by Orthanc."""
    begin = time.monotonic()
    subprocess.run(["storescu", *film.storescu, "-aet", "MODALITY", "-aec", "CENTINELA", "127.0.0.1",
                    str(node.dicom), str(film.path)], check=True, env=os.environ | {"TCP_NODELAY": "1"})
    study = wait(f"{film.name} comes back", lambda: node.settled(film.study))
    return study, round((time.monotonic() - begin) * 1000)


def say(ok, name, text, log=""):
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}", flush=True)
    if not ok and log:
        print(log, flush=True)
    return 0 if ok else 1


def analysed(setup, film, model):
    with workplace() as work, orthanc(work / "pacs") as (dicom, http):
        node = Node(setup, work / "node", model, dicom)
        entry = node.analyze(film.path, work / "out")[0]
        regions = sum(len(f["regions"]) for f in entry["findings"])
        with node.serving():
            study, took = push(node, film)
        results = fetch(http, work / "results")
        require = "SR,PR" if regions or model else "SR"
        code, log = judge(setup, film.path, results, "--require", require)
        kinds = "+".join(r["kind"] for r in study["results"])
        scores = ", ".join(f"{k} {v:.3f}" for k, v in entry["scores"].items())
        text = f"{kinds} in Orthanc {took} ms after C-STORE began (quiet period 2000 ms); {scores}; checker exit {code}"
        return say(code == 0 and study["study"]["state"] == "analyzed", f"{film.name} [{model or 'cxr-demo'}]", text, log)


def skipped(setup, film, reason):
    with workplace() as work, orthanc(work / "pacs") as (dicom, http):
        node = Node(setup, work / "node", "", dicom)
        entry = node.analyze(film.path, work / "out")[0]
        with node.serving():
            study, _ = push(node, film)
        results = fetch(http, work / "results")
        code, log = judge(setup, film.path, results, "--skipped")
        instance = study["instances"][0]
        same = instance["reason"]["code"] == entry["reason_code"] == reason and not entry["findings"]
        text = f"{instance['reason']['text']} [{instance['reason']['code']}]; not-analysed report: checker exit {code}"
        return say(same and code == 0, film.name, text, log)


def truth(setup, films, boxes, name):
    with workplace() as work:
        node = Node(setup, work / "node", "test-synthetic-map", 1)
        sources = work / "sources"
        sources.mkdir()
        for film in films:
            (sources / film.name).write_bytes(film.read_bytes())
        node.analyze(sources, work / "out")
        code, log = judge(setup, sources, work / "out", "--require", "SR,PR", "--truth", boxes)
        return say(code == 0, f"truth {name}", f"checker exit {code}", log)
