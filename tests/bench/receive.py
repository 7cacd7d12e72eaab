"""The receive benchmark: our acceptor and its peers in turn, on the same films, sender, disk and settings.

Each cell (corpus, associations) runs every server once per round, in turn, each in a fresh process with an
empty folder; before each run the disk is drained and free memory touched, so that nobody pays for another's
unwritten bytes or for a pause. What is compared is the ratio within a round, of which the median is printed. A run counts only if every film was
answered 0000 and every file is there.
"""

import argparse
import atexit
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CELLS = [("dx", 1), ("dx", 4), ("dx", 16), ("ct", 1), ("ct", 4), ("ct", 16)]
FAST = {**os.environ, "TCP_NODELAY": "1"}  # DCMTK and Orthanc leave Nagle's algorithm on otherwise


def free_port():
    """A port that nobody's outgoing connection takes: below the range that the kernel gives those."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Server:
    """A receiver under test: how it is started and where its files lie."""

    def __init__(self, name, command, files="**/*", env=None, ready=None):
        self.name, self.command, self.files, self.env, self.ready = name, command, files, env, ready


def ours(options, name, roles, prefix=()):
    def command(folder, port):
        (folder / "ae-titles.toml").write_text('[node]\nae_title = "BENCH"\n')
        (folder / "centinela.toml").write_text(
            f'[dicom]\nbind = "127.0.0.1"\nport = {port}\ncallers = "any"\ncalled = "any"\n'
            f'[storage]\ndata_dir = "{folder}/data"\nmin_free = 0\n[api]\nport = 0\n[log]\nlevel = "warn"\n'
        )
        arguments = ["--config", folder / "centinela.toml", "--peers", folder / "ae-titles.toml"]
        return [*prefix, options.bin, *arguments, "serve", *roles]

    return Server(name, command, "data/blobs/instances/**/*.dcm")


def dcmtk(name, *flags):
    return Server(name, lambda folder, port: ["storescp", "-q", "--fork", *flags, "+xa", "-od", folder, str(port)])


def orthanc():
    def command(folder, port):
        settings = {
            "Name": "BENCH",
            "DicomPort": port,
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpServerEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomCheckCalledAet": False,
            "SyncStorageArea": True,
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        return ["Orthanc", folder / "orthanc.json"]

    # The default also stores the tags of each film beside it; the index is not counted.
    return Server("orthanc", command, "db/??/??/*")


def dicom_storescp(options):
    def command(folder, port):
        return [options.storescp, "-n", "-m", "131072", "-p", str(port), "-o", folder]

    return Server("dicom-storescp", command, "*.dcm")


def tree(pid):
    """The process and its descendants."""
    pids, at = [pid], 0
    while at < len(pids):
        for task in Path(f"/proc/{pids[at]}/task").glob("*/children"):
            try:
                pids += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
        at += 1
    return pids


def cpu(pid):
    """CPU seconds of the process, its threads and its children, ended ones included."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15] if member == pid else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def anonymous(pid):
    """KiB of anonymous memory of the process tree."""
    total = 0
    for member in tree(pid):
        try:
            status = Path(f"/proc/{member}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    return total


def wait_for(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"server ended with {process.returncode}: {log.read_text(errors='replace')[-500:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("server does not listen")


def warm(folder, size):
    """Touches as much memory as the films will need: a hypervisor that lends free pages takes its time at
    the first touch, which would otherwise be charged to whoever runs after a pause."""
    scratch = folder.with_suffix(".scratch")
    block = bytes(1 << 20)
    with open(scratch, "wb", buffering=0) as file:
        for _ in range(size * 3 // 2 >> 20):
            file.write(block)
    os.truncate(scratch, 0)


def retire(folder):
    """Gives the bytes of a run back but not its inodes, which the end of the benchmark does: ext4 searches past
    inodes that were deleted a while ago, and the next server would pay for it with each file that it makes."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def run(options, server, films, associations):
    """One run: MB/s, CPU s/GB, peak anonymous MiB over idle."""
    size = sum(os.path.getsize(film) for film in films)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.work))
    port = free_port()
    log = open(folder.with_suffix(".log"), "wb")
    command = list(map(str, server.command(folder, port)))
    process = subprocess.Popen(command, env=FAST, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(port, process, folder.with_suffix(".log"))
        time.sleep(0.3)
        os.sync()
        warm(folder, size)
        idle, peak, done = anonymous(process.pid), [0], threading.Event()

        def watch():
            while not done.wait(0.03):
                peak[0] = max(peak[0], anonymous(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        before = cpu(process.pid)
        load = [options.load, "BENCH", "127.0.0.1", str(port), str(associations), *films]
        sent = subprocess.run(load, capture_output=True, text=True, timeout=900)
        spent = cpu(process.pid) - before
        done.set()
        watcher.join()
        if sent.returncode:
            raise RuntimeError(sent.stderr.strip())
        answer = json.loads(sent.stdout)
        stored = sum(1 for path in folder.glob(server.files) if path.is_file() and path.stat().st_size > 100_000)
        if answer["statuses"] != {"0000": len(films)} or stored != len(films):
            raise RuntimeError(f"statuses {answer['statuses']}, {stored} of {len(films)} files")
        size = answer["bytes"]  # of the data sets
        return size / 1e6 / answer["seconds"], spent / (size / 1e9), (peak[0] - idle) / 1024
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()
        retire(folder)


def limit(options, films, connections):
    """The same bytes over loopback, written and synced before a one-byte answer: what the machine can do."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.work))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    contents = [Path(film).read_bytes() for film in films]
    os.sync()
    warm(folder, sum(map(len, contents)))
    children = []
    for number in range(connections):
        pid = os.fork()
        if pid == 0:
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            buffer = bytearray(256 * 1024)
            view = memoryview(buffer)
            count = 0
            while header := peer.recv(8, socket.MSG_WAITALL):
                left = int.from_bytes(header, "big")
                file = os.open(folder / f"{number}-{count}", os.O_WRONLY | os.O_CREAT)
                while left:
                    got = peer.recv_into(view[: min(left, len(buffer))])
                    os.write(file, view[:got])
                    left -= got
                os.fdatasync(file)
                os.close(file)
                peer.sendall(b"1")
                count += 1
            os._exit(0)
        children.append(pid)
    start = time.monotonic()

    def send(first):
        with socket.create_connection(listener.getsockname()) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for content in contents[first::connections]:
                peer.sendall(len(content).to_bytes(8, "big"))
                peer.sendall(content)
                peer.recv(1, socket.MSG_WAITALL)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    for pid in children:
        os.waitpid(pid, 0)
    listener.close()
    retire(folder)
    return sum(map(len, contents)) / 1e6 / seconds


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "|".join("---" for _ in header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def report(cells, rates, costs, peaks, limits, names):
    median = statistics.median
    heads = [f"{corpus} x{n}" for corpus, n in cells]
    print("## MB/s, median of the rounds (physical limit: loopback, write, fdatasync, nothing else)\n")
    rows = [["physical limit", *(f"{median(limits[c]):.0f}" for c in cells)]]
    rows += [[name, *(f"{median(rates[c][name]):.0f}" if rates[c][name] else "failed" for c in cells)] for name in names]
    table(["server", *heads], rows)
    for mine in [name for name in names if name.startswith("centinela")]:
        print(f"## {mine} / peer, median of the ratios within a round\n")
        rows = []
        for name in names:
            if name.startswith("centinela"):
                continue
            pairs = [[a / b for a, b in zip(rates[c][mine], rates[c][name])] for c in cells]
            rows.append([name, *(f"{median(p):.2f} ({min(p):.2f}-{max(p):.2f})" if p else "-" for p in pairs)])
        table(["peer", *heads], rows)
    print("## CPU seconds per GB / peak anonymous MiB over idle, medians\n")
    rows = []
    for name in names:
        pairs = [(costs[c][name], peaks[c][name]) for c in cells]
        rows.append([name, *(f"{median(a):.2f} / {max(b):.0f}" if a else "failed" for a, b in pairs)])
    table(["server", *heads], rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--storescp", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="names of servers, comma-separated")
    parser.add_argument("--cells", default="", help="for example dx4,ct16")
    options = parser.parse_args()
    # Orthanc takes a relative folder as one beside its configuration.
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, options.work, ignore_errors=True)
    servers = [
        ours(options, "centinela scp", ["--role", "scp"]),
        ours(options, "centinela node", []),
        ours(options, "centinela scp (no fsync)", ["--role", "scp"], ["eatmydata"]),
        dcmtk("dcmtk tuned", "+B", "-pdu", "131072"),
        dcmtk("dcmtk default"),
        orthanc(),
        dicom_storescp(options),
    ]
    if options.only:
        servers = [s for s in servers if s.name in options.only.split(",")]
    cells = [(c, n) for c, n in CELLS if not options.cells or f"{c}{n}" in options.cells.split(",")]
    names = [server.name for server in servers]
    rates = {cell: {name: [] for name in names} for cell in cells}
    costs = {cell: {name: [] for name in names} for cell in cells}
    peaks = {cell: {name: [] for name in names} for cell in cells}
    limits = {cell: [] for cell in cells}
    failed = False
    for cell in cells:
        corpus, associations = cell
        films = sorted(map(str, (options.corpus / corpus).glob("*.dcm")))
        for round_number in range(options.rounds):
            limits[cell].append(limit(options, films, associations))
            for server in servers:
                try:
                    rate, cost, peak = run(options, server, films, associations)
                except RuntimeError as error:
                    print(f"{corpus} x{associations} {server.name}: {error}", file=sys.stderr, flush=True)
                    failed |= server.name.startswith("centinela")
                    continue
                rates[cell][server.name].append(rate)
                costs[cell][server.name].append(cost)
                peaks[cell][server.name].append(peak)
                print(
                    f"{corpus} x{associations} round {round_number + 1} {server.name}: {rate:.0f} MB/s, "
                    f"{cost:.2f} CPU s/GB, {peak:.1f} MiB",
                    file=sys.stderr,
                    flush=True,
                )
    report(cells, rates, costs, peaks, limits, names)
    sys.exit(failed)


if __name__ == "__main__":
    main()
