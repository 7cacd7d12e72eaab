"""`make bench-worker`: does the model hurt the receiver, and does it keep up?

`worker.py --bin DIR --film LARGE.dcm --load SMALL.dcm [--seconds N]`, DIR with `centinela` and the example `stream`. Three nodes
after each other, each fresh: (1) without a model, one large film per second; (2) with the model and a queue that is
never empty, and no stream; (3) both. Prints the C-STORE times of the stream in 1 and 3 with the ratio of their 99th
percentiles, the films analysed per second in 2 and 3, and the age of the oldest job that waited.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from receive import free_port

# Films that wait for the model while it is at full load: never none, and few enough to be seen as a short queue.
LEAST, MORE = 60, 40


class Node:
    """A running node with the port of its API."""

    def __init__(self, options: argparse.Namespace, work: Path, model: bool) -> None:
        self.port, self.folder = free_port(), Path(tempfile.mkdtemp(dir=work))
        api = free_port()
        (self.folder / "ae-titles.toml").write_text('[node]\nae_title = "BENCH"\n')
        (self.folder / "centinela.toml").write_text(
            f'[dicom]\nbind = "127.0.0.1"\nport = {self.port}\ncallers = "any"\ncalled = "any"\n'
            f'[storage]\ndata_dir = "{self.folder}/data"\nmin_free = 0\n[api]\nport = {api}\n[log]\nlevel = "warn"\n'
            f"[analyze]\nenabled = {str(model).lower()}\nthreads = {options.threads}\n"
        )
        files = ["--config", self.folder / "centinela.toml", "--peers", self.folder / "ae-titles.toml"]
        self.process = subprocess.Popen([options.bin / "centinela", *files, "serve"])
        self.api = f"http://127.0.0.1:{api}/metrics"
        for _ in range(200):
            try:
                self.metrics()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the node did not start")

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(self.api, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in re.findall(r"^(\S+) ([0-9.]+)$", "\n".join(lines), re.M)}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Feeder(threading.Thread):
    """Keeps films waiting for the model, and looks how long the oldest waits."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        super().__init__()
        self.options, self.node, self.stopped = options, node, threading.Event()
        self.oldest, self.empty, self.looks, self.seed = 0.0, 0, 0, 5_000_000

    def run(self) -> None:
        while not self.stopped.is_set():
            metrics = self.node.metrics()
            queued = metrics.get('centinela_jobs{state="queued"}', 0)
            self.looks += 1
            self.empty += queued == 0
            self.oldest = max(self.oldest, metrics["centinela_oldest_queued_job_seconds"])
            if queued < LEAST:
                stream(self.options, self.node, 0, MORE, self.seed, self.options.load)
                self.seed += MORE
            else:
                self.stopped.wait(0.1)


def stream(options: argparse.Namespace, node: Node, every: int, count: int, seed: int, film: Path) -> list[float]:
    """Sends films; returns the milliseconds of each C-STORE."""
    command = [options.bin / "examples/stream", "BENCH", "127.0.0.1", node.port, every, count, seed, film]
    answer = json.loads(subprocess.check_output([str(part) for part in command]))
    if set(answer["statuses"]) != {"0000"}:
        raise SystemExit(f"not every film was taken: {set(answer['statuses'])}")
    return answer["ms"]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def told(name: str, times: list[float]) -> None:
    shares = ", ".join(f"p{share * 100:.0f} {percentile(times, share):.0f}" for share in (0.5, 0.9, 0.99))
    print(f"{name}: {len(times)} films, C-STORE ms {shares}, most {max(times):.0f}", flush=True)


def loaded(options: argparse.Namespace, work: Path, with_stream: bool) -> list[float]:
    """A node at full load; returns the times of the stream, if there is one."""
    node = Node(options, work, model=True)
    feeder = Feeder(options, node)
    feeder.start()
    time.sleep(5)
    before, start, times = node.metrics(), time.monotonic(), []
    if with_stream:
        times = stream(options, node, 1000, options.seconds, 1_000_000, options.film)
    else:
        time.sleep(options.seconds / 4)
    key = 'centinela_events_total{kind="predicted"}'
    done = node.metrics()[key] - before[key]
    rate = done / (time.monotonic() - start)
    feeder.stopped.set()
    feeder.join()
    node.stop()
    name = "with the stream" if with_stream else "without a stream"
    print(
        f"full load {name}: {rate:.1f} films analysed per second, oldest queued job {feeder.oldest:.0f} s, "
        f"queue empty at {feeder.empty} of {feeder.looks} looks",
        flush=True,
    )
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--load", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where the nodes keep their films (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        node = Node(options, work, model=False)
        alone = stream(options, node, 1000, options.seconds, 1_000_000, options.film)
        node.stop()
        told("stream alone", alone)
        loaded(options, work, with_stream=False)
        beside = loaded(options, work, with_stream=True)
        told("stream beside the model at full load", beside)
        print(f"ratio of the 99th percentiles: {percentile(beside, 0.99) / percentile(alone, 0.99):.2f}")


if __name__ == "__main__":
    main()
