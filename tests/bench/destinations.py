"""`make bench-destinations`: does a sick destination slow a healthy one?

`destinations.py --bin DIR --film FILM.dcm [--rounds N] [--seconds N] [--every MS]`, DIR with `centinela` and the example
`stream`. Each round runs two fresh nodes in turn, with the order changed from round to round: one that delivers to the
healthy destination alone, and one that delivers to it and to two sick ones. Both get the same stream of small films, each
a study of its own. The healthy one is DCMTK's storescp. Of the sick ones, `dead` takes connections and never says
anything, `slow` is another storescp behind a line that carries 1 byte per second each way.

What counts is the time from when a result was scheduled to when the healthy destination had accepted it, from the node's
own rows. A run counts only if the healthy destination accepted everything and, in a run with the sick ones, these
accepted nothing. Printed are the 95th percentiles and, of the ratios within a round, the median.
"""

import argparse
import json
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from receive import free_port

PROFILE = "compat"


class Slow:
    """A line to a server that carries one byte per second each way, and never says that it is full."""

    def __init__(self, server: int) -> None:
        self.server, self.listener = server, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client = self.listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", self.server))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=carry, args=(source, target), daemon=True).start()


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while byte := source.recv(1):
            time.sleep(1)
            target.sendall(byte)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Dead:
    """Takes connections and never says anything."""

    def __init__(self) -> None:
        self.listener, self.held = socket.create_server(("127.0.0.1", 0), backlog=64), []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            self.held.append(self.listener.accept()[0])


def storescp(folder: Path) -> tuple[subprocess.Popen, int]:
    port = free_port()
    server = subprocess.Popen(["storescp", "-q", "--fork", "+xa", "--ignore", "-od", folder, str(port)])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        except OSError:
            time.sleep(0.05)
    raise SystemExit("storescp did not start")


def run(options: argparse.Namespace, work: Path, seed: int, destinations: dict[str, int]) -> list[int]:
    """One node; returns the milliseconds of each result at the healthy destination."""
    folder, port, api = Path(tempfile.mkdtemp(dir=work)), free_port(), free_port()
    peers = "".join(
        f'[[peer]]\nname = "{name}"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {number}\ndeliver = "{PROFILE}"\n'
        for name, number in destinations.items()
    )
    (folder / "ae-titles.toml").write_text(f'[node]\nae_title = "BENCH"\n{peers}')
    (folder / "centinela.toml").write_text(
        f'[dicom]\nbind = "127.0.0.1"\nport = {port}\ncallers = "any"\ncalled = "any"\n[study]\nquiet_period = 0.2\n'
        f'[storage]\ndata_dir = "{folder}/data"\nmin_free = 0\nlow_free = 0\n[api]\nport = {api}\n'
        '[analyze]\nthreads = 1\n[log]\nlevel = "error"\n'
    )
    files = ["--config", folder / "centinela.toml", "--peers", folder / "ae-titles.toml"]
    node = subprocess.Popen([options.bin / "centinela", *files, "serve"])
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise SystemExit("the node did not start")
    count = options.seconds * 1000 // options.every
    command = [options.bin / "examples/stream", "BENCH", "127.0.0.1", port, options.every, count, seed, options.film]
    answer = json.loads(subprocess.check_output([str(part) for part in command]))
    if set(answer["statuses"]) != {"0000"}:
        raise SystemExit(f"not every film was taken: {set(answer['statuses'])}")
    rows = settled(folder / "data/centinela.db", count)
    node.terminate()
    node.wait()
    shutil.rmtree(folder)
    accepted = {name for name, ms in rows if ms is not None}
    if accepted != {"healthy"}:
        raise SystemExit(f"accepted by {accepted}")
    return [ms for name, ms in rows if name == "healthy"]


def settled(database: Path, studies: int) -> list[tuple[str, int | None]]:
    """Every delivery, once the healthy destination has everything of all studies."""
    for _ in range(600):
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
            done = rows.execute("select count(*) from study where state = 'analyzed'").fetchone()[0]
            found = rows.execute("select destination, accepted_at - created_at from delivery").fetchall()
        if done == studies and all(ms is not None for name, ms in found if name == "healthy"):
            return found
        time.sleep(0.1)
    raise SystemExit("the healthy destination did not get everything")


def percentile(values: list[int], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--every", type=int, default=500, help="milliseconds between two films")
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (healthy, port), (behind, far) = [storescp(Path(tempfile.mkdtemp(dir=work))) for _ in range(2)]
        sick = {"dead": Dead().port, "slow": Slow(far).port}
        for n in range(options.rounds):
            runs = [("alone", {"healthy": port}), ("beside", {**sick, "healthy": port})]
            # Whoever comes first may have the better or the worse place.
            times = {
                name: run(options, work, 1_000_000 * (n + 1) + 10_000 * at, destinations)
                for at, (name, destinations) in enumerate(runs if n % 2 == 0 else runs[::-1])
            }
            alone, beside = (percentile(times[name], 0.95) for name in ("alone", "beside"))
            ratios.append(beside / alone)
            told = ", ".join(f"{name} p50 {percentile(times[name], 0.5)} p95 {percentile(times[name], 0.95)}" for name in times)
            print(f"round {n + 1}: ms {told} of {len(times['alone'])} results; ratio of p95 {ratios[-1]:.2f}", flush=True)
        healthy.terminate()
        behind.terminate()
    print(f"median of the ratios of p95: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
