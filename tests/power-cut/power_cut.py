"""Cuts the power right after a success, again and again, and counts what is lost. Root; called by scripts/power-cut.sh.

The data directory lies on an ext4 of its own, in a file behind a loop device. EXT4_IOC_SHUTDOWN with NOLOGFLUSH stops that
file system at once: what was not yet in its journal or on its device is gone, as when the machine loses power. Then the
server is killed, the file system is mounted again and the server started again. Every SOP Instance UID that was ever
answered 0000 must be there, with the bytes that were sent and exactly one row.

Not simulated: a device that lies about its own cache.
"""

import argparse
import contextlib
import fcntl
import json
import os
import random
import selectors
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
ROOT = Path(__file__).resolve().parents[2]
ASSOCIATIONS = [1, 2, 4, 8, 16]


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def until(what, ask, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    sys.exit(f"power-cut: {what} did not happen within {patience} s")


def launch(command, **more):
    """Starts a process with a group of its own, so that its children can be killed with it."""
    return subprocess.Popen([str(part) for part in command], start_new_session=True, **more)


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Disk:
    """An ext4 in a file; `cut` takes its power."""

    def __init__(self, folder, size):
        self.image, self.at = folder / "disk.img", folder / "disk"
        self.at.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(size)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.at)

    def unmount(self):
        # A killed process may still hold a file for a moment.
        until(f"unmounting {self.at}", lambda: subprocess.run(["umount", self.at], stderr=subprocess.DEVNULL).returncode == 0)

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def drop(self):
        with contextlib.suppress(Exception):
            run("umount", "-l", self.at)
        self.image.unlink(missing_ok=True)


def data_set(part10):
    """The bytes behind the file meta information, which each server writes anew."""
    return part10[144 + struct.unpack_from("<I", part10, 140)[0]:]


class Films:
    """Copies of a film under new UIDs of the same length."""

    def __init__(self, small, large, folder):
        self.folder, self.count, self.sent = folder, 0, {}
        folder.mkdir(parents=True)
        self.templates = [(path.read_bytes(), self.uids(path)) for path in (small, large)]

    @staticmethod
    def uids(path):
        data = path.read_bytes()
        found = []
        for tag in (b"\x08\0\x18\0UI", b"\x20\0\x0d\0UI"):
            at = data.index(tag) + 6
            length = struct.unpack_from("<H", data, at)[0]
            found.append(data[at + 2:at + 2 + length].rstrip(b"\0"))
        return found

    def make(self, large):
        self.count += 1
        data, uid = self.copy(large, self.count)
        self.sent[uid] = (large, self.count)
        path = self.folder / f"{uid}.dcm"
        path.write_bytes(data)
        return path

    def copy(self, large, number):
        data, uids = self.templates[large]
        new = [uid[:-7] + b"%07d" % (9_000_000 - number) for uid in uids]
        for uid, other in zip(uids, new):
            data = data.replace(uid, other)
        return data, new[0].decode()

    def bytes(self, uid):
        """What was sent under a UID."""
        return self.copy(*self.sent[uid])[0]


class Centinela:
    name = "Centinela"

    def __init__(self, binary, folder, disk):
        self.binary, self.data, self.log = binary, disk.at / "data", folder / "centinela.log"
        self.config, self.peers = folder / "centinela.toml", folder / "ae-titles.toml"
        self.config.write_text("")
        self.peers.write_text('[node]\nae_title = "CENTINELA"\n[[peer]]\nname = "send"\nae_title = "SEND"\nsends = true\n')

    def start(self, analyze=False):
        environment = dict(os.environ, CENTINELA__DICOM__BIND="127.0.0.1", CENTINELA__STORAGE__MIN_FREE="0",
                           CENTINELA__STUDY__QUIET_PERIOD="1", CENTINELA__ANALYZE__ENABLED=str(analyze).lower())
        begin = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = launch(
                [self.binary, "serve", "--dicom-port", "0", "--api-port", "0", "--config", self.config, "--peers", self.peers,
                 "--data-dir", self.data], stdout=log, stderr=log, env=environment)

        def port():
            if self.process.poll() is not None:
                sys.exit(f"power-cut: the node ended with {self.process.returncode}:\n{self.log.read_text()[begin:]}")
            for line in self.log.read_bytes()[begin:].decode(errors="replace").splitlines():
                if "listening" in line and 'role="scp"' in line:
                    return next(int(word[5:]) for word in line.split() if word.startswith("port="))

        self.port = until("the start of the node", port)

    def check(self, answered, films):
        """What is lost, as UIDs: (no such file or other bytes, not exactly one row)."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/centinela.db?mode=ro", uri=True)) as db:
            whole = db.execute("PRAGMA integrity_check").fetchone()[0]
            if whole != "ok":
                sys.exit(f"power-cut: the database is damaged: {whole}")
            rows = {}
            for uid, blob in db.execute("SELECT sop_instance, blob FROM instance"):
                rows.setdefault(uid, []).append(blob)
        left = list((self.data / "spool").iterdir())
        if left:
            sys.exit(f"power-cut: unfinished files survived the start: {left}")
        no_row = {uid for uid in answered if len(rows.get(uid, [])) != 1}
        no_file = {uid for uid in answered if not self.same(rows.get(uid, []), films.bytes(uid))}
        return no_file, no_row

    def same(self, blobs, sent):
        try:
            return bool(blobs) and data_set((self.data / "blobs" / blobs[0]).read_bytes()) == data_set(sent)
        except (OSError, struct.error):
            return False


class Storescp:
    """DCMTK; it has no rows."""

    name = "DCMTK storescp"

    def __init__(self, folder, disk):
        self.data, self.log, self.port = disk.at / "storescp", folder / "storescp.log", 11113

    def start(self):
        self.data.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = launch(["storescp", "--fork", "+B", "+xa", "-od", self.data, str(self.port)],
                                            stdout=log, stderr=log, env=dict(os.environ, TCP_NODELAY="1"))
        until("the start of storescp", lambda: listens(self.port))

    def check(self, answered, films):
        # Named by modality and UID; a film behind a cut may be there with no bytes.
        kept = {path.name.split(".", 1)[1]: path for path in self.data.iterdir()}
        no_file = {uid for uid in answered if uid not in kept or not ends_alike(kept[uid].read_bytes(), films.bytes(uid))}
        return no_file, set()


class Orthanc:
    """Its defaults, files and SQLite index in one folder."""

    name = "Orthanc"

    def __init__(self, folder, disk):
        self.data, self.log, self.config = disk.at / "orthanc", folder / "orthanc.log", folder / "orthanc.json"
        self.port, self.http = 11114, 18042
        self.config.write_text(json.dumps({
            "StorageDirectory": str(self.data), "IndexDirectory": str(self.data), "DicomPort": self.port, "HttpPort": self.http,
            "DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False, "RemoteAccessAllowed": False, "Plugins": [],
        }))

    def start(self):
        self.data.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = launch(["Orthanc", self.config], stdout=log, stderr=log, env=dict(os.environ, TCP_NODELAY="1"))
        until("the start of Orthanc", lambda: listens(self.port) and listens(self.http))

    def check(self, answered, films):
        kept = [path for path in self.data.rglob("*") if path.is_file() and not path.name.startswith("index")]
        files = {}
        for path in kept:
            data = path.read_bytes()
            at = data.find(b"\x08\0\x18\0UI")
            if at >= 0:
                length = struct.unpack_from("<H", data, at + 6)[0]
                files[data[at + 8:at + 8 + length].rstrip(b"\0").decode(errors="replace")] = data
        no_file, no_row = set(), set()
        for uid in answered:
            if uid not in files or not ends_alike(files[uid], films.bytes(uid)):
                no_file.add(uid)
            request = urllib.request.Request(f"http://127.0.0.1:{self.http}/tools/lookup", data=uid.encode())
            with urllib.request.urlopen(request, timeout=30) as answer:
                if not json.load(answer):
                    no_row.add(uid)
        return no_file, no_row


def ends_alike(have, sent):
    """Whether a file holds the pixels of a film to the last byte; its header may be written anew."""
    return have[-(len(sent) // 2):] == sent[-(len(sent) // 2):]


def listens(port):
    with open("/proc/net/tcp") as v4, open("/proc/net/tcp6") as v6:
        lines = v4.readlines() + v6.readlines()
    return any(f":{port:04X}" in line.split()[1] and line.split()[3] == "0A" for line in lines[1:] if ":" in line)


def push(send, port, batches, enough, cut):
    """Sends on one association for each batch; at the success number `enough` calls `cut` at once.

    Gives every UID that was answered 0000, also those that were answered while the power went."""
    senders = [launch([send, "CENTINELA", "127.0.0.1", str(port), *map(str, batch)], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL) for batch in batches]
    answered, buffers, cut_done = [], {}, False
    with selectors.DefaultSelector() as waiting:
        for sender in senders:
            os.set_blocking(sender.stdout.fileno(), False)
            waiting.register(sender.stdout, selectors.EVENT_READ)
            buffers[sender.stdout] = b""
        end = time.monotonic() + 300
        while waiting.get_map() and time.monotonic() < end:
            for key, _ in waiting.select(timeout=1):
                data = os.read(key.fd, 65536)
                if not data:
                    waiting.unregister(key.fileobj)
                    continue
                *lines, buffers[key.fileobj] = (buffers[key.fileobj] + data).split(b"\n")
                for line in lines:
                    words = line.split()
                    # "C-STORE 0000 UID"; the status may be written with or without 0x.
                    if words[:1] == [b"C-STORE"] and words[1].lower().removeprefix(b"0x").strip(b"0") == b"":
                        answered.append(words[-1].decode())
                        if len(answered) == enough:
                            cut()
                            cut_done = True
            if cut_done:
                # Whoever waits for an answer that cannot come is not waited for longer than this.
                end = min(end, time.monotonic() + 2)
    for sender in senders:
        kill(sender)
    if not cut_done:
        sys.exit(f"power-cut: only {len(answered)} of {enough} successes came")
    return answered


def rounds_of(server, disk, films, send, count, chance):
    """Runs the rounds; gives (answered, lost files, lost rows) over all of them."""
    answered, lost_files, lost_rows = [], set(), set()
    start = lambda number: server.start(analyze=number % 5 == 4) if isinstance(server, Centinela) else server.start()
    start(0)
    for number in range(count):
        associations = ASSOCIATIONS[number % len(ASSOCIATIONS)]
        large = number % 4 == 3
        each = 2 if large else 5
        batches = [[films.make(large) for _ in range(each)] for _ in range(associations)]
        total = associations * each
        # Every other round right after the very last success, else in the middle of the work.
        enough = total if number % 2 == 0 else chance.randint(max(1, total // 2), total)
        now = push(send, server.port, batches, enough, disk.cut)
        kill(server.process)
        disk.unmount()
        disk.mount()
        answered += now
        start(number + 1)
        no_file, no_row = server.check(answered, films)
        lost_files |= no_file
        lost_rows |= no_row
        rows = "" if isinstance(server, Storescp) else f", rows lost {len(no_row & set(now)):2}"
        size = "large" if large else "small"
        print(f"{server.name:14} round {number + 1:2}: {associations:2} associations, {size} films, cut after {len(now):2} of {total:2} "
              f"successes: files lost {len(no_file & set(now)):2}{rows}", flush=True)
        for path in sum(batches, []):
            path.unlink()
    return len(answered), len(lost_files), len(lost_rows)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--binary", type=Path, required=True)
    arguments.add_argument("--send", type=Path, required=True, help="scp/examples/send")
    arguments.add_argument("--large", type=Path, required=True, help="a full-size film")
    arguments.add_argument("--work", type=Path, required=True, help="an empty folder on a disk")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--peer-rounds", type=int, default=5)
    given = arguments.parse_args()
    # Orthanc takes a relative folder as one beside its configuration: its films would lie on another disk.
    given.work = given.work.resolve()
    small = ROOT / "tests/dicom-fixtures/dx_normal.dcm"
    chance = random.Random(20261124)
    results = []
    servers = [(lambda f, d: Centinela(given.binary, f, d), given.rounds), (Storescp, given.peer_rounds), (Orthanc, given.peer_rounds)]
    for make, rounds in servers:
        if rounds == 0:
            continue
        folder = given.work / f"server-{len(results)}"
        folder.mkdir(parents=True)
        disk = Disk(folder, 8 << 30)
        server = make(folder, disk)
        try:
            films = Films(small, given.large, folder / "films")
            results.append((server.name, rounds, *rounds_of(server, disk, films, given.send, rounds, chance)))
        finally:
            if getattr(server, "process", None):
                kill(server.process)
            disk.drop()
    print()
    for name, rounds, answered, files, rows in results:
        rows = "keeps no rows" if name == Storescp.name else f"lost rows {rows}"
        print(f"{name}: {rounds} power cuts, {answered} films answered 0000, lost files {files}, {rows}")
    _, _, _, files, rows = results[0]
    if files or rows:
        sys.exit("power-cut: Centinela lost what it had answered with success")


main()
