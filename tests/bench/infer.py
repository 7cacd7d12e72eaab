"""`make bench-infer`: our network and its peers on the same weights and input, in turn, round by round.

`infer.py --bin DIR [--rounds N] [--cells 1x1x224,...]`, where a cell is THREADSxBATCHxSIZE and DIR holds the built examples
`infer` and `peak`. Every engine of a cell is started, warmed up and then asked in turn for a few runs, so that a noisy
moment hits all alike; the ratio of a round is that of the fastest runs in it, the table shows the median of the rounds.
Prints Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "models/training"))
CELLS = ["1x1x224", "2x1x224", "1x8x224", "2x8x224", "1x1x512", "2x1x512"]
PEERS = ["onnxruntime", "openvino", "openvino-bf16", "torch"]
LIMIT = 1e-4


class Engine:
    """A process that runs the network when it is asked to."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.answer()

    def answer(self) -> object:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, what: object) -> object:
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def make_package(folder: Path, size: int) -> None:
    """A DenseNet-121 with random weights and statistics, 18 outputs, one channel."""
    import torch
    from densenet import DenseNet
    from export import Label, Package, write_package
    from parity import disturb

    torch.manual_seed(121)
    network = DenseNet(32, [6, 12, 24, 16], 64, classes=18).eval()
    disturb(network)
    package = Package(
        name="bench-densenet121",
        version="0.0.0",
        title="DenseNet-121 with random weights",
        summary="Random weights, for measuring only.",
        architecture=network.architecture,
        size=size,
        mean=[0.5],
        std=[0.25],
        age=(18, 120),
        temperature=None,
        bf16=0.5,
        labels=[Label(f"Class {n}", 0.5) for n in range(18)],
    )
    write_package(folder, package, network, torch.float32)


def ours(folder: Path) -> list[str]:
    """The paths of this processor."""
    flags = Path("/proc/cpuinfo").read_text()
    return [path for path, flag in [("avx512", " avx512f"), ("avx2", " avx2"), ("bf16", " avx512_bf16")] if flag in flags]


def measure(options: argparse.Namespace, cell: str, work: Path) -> None:
    threads, batch, size = (int(n) for n in cell.split("x"))
    folder = work / f"bench-densenet121-{size}"
    if not folder.exists():
        make_package(folder, size)
    path = work / f"{cell}.f32"
    np.random.default_rng(7).standard_normal((batch, 1, size, size), np.float32).tofile(path)
    arguments = [str(folder), str(threads), str(batch), str(path)]
    engines = []
    for name in [*ours(folder), *options.ours, *PEERS]:
        if name in PEERS:
            command = [sys.executable, str(HERE / "infer_peer.py"), name, *arguments]
        else:
            command = [str(options.bin / "infer"), str(folder), name, *arguments[1:]]
        engines.append(Engine(name, command))
    times: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for round_ in range(options.rounds + 1):
        for engine in engines:
            # Threads of the engine before may still be spinning.
            time.sleep(0.05)
            best = min(engine.ask(options.runs))
            if round_ > 0:
                times[engine.name].append(best)
    truth = np.array(next(engine for engine in engines if engine.name == "torch").ask("logits"))
    own = [engine.name for engine in engines if engine.name not in PEERS]
    print(f"\n### {threads} thread{'s'[: threads > 1]}, batch {batch}, {size} pixels\n")
    print(f"| engine | ms | logit difference to torch | load ms | memory MB | {' | '.join(f'{o} is faster by' for o in own)} |")
    print("|---|---|---|---|---|" + "---|" * len(own))
    for engine in engines:
        off = float(np.abs(np.array(engine.ask("logits")) - truth).max())
        row = [f"{median(times[engine.name]):.1f}", f"{off:.1e}", f"{engine.ready['load_ms']:.0f}"]
        row.append(f"{engine.ready['grown_kib'] / 1024:.0f}")
        for name in own:
            ratios = [other / mine for other, mine in zip(times[engine.name], times[name], strict=True)]
            spread = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            row.append("" if engine.name in own else spread)
        print(f"| {engine.name} | {' | '.join(row)} |", flush=True)
        if engine.name in ("avx512", "avx2", "portable", "plain") and not off <= LIMIT:
            raise SystemExit(f"{engine.name} differs from torch by {off}")
    print(f"\nLargest logit: {np.abs(truth).max():.1f}.")
    peaks = dict(line.split() for line in subprocess.check_output([options.bin / "peak"], text=True).splitlines())
    for engine in engines:
        if engine.name in peaks and "multiplications" in engine.ready:
            work_done = 2e-9 * engine.ready["multiplications"] * batch
            rate = work_done / (min(times[engine.name]) / 1e3)
            share = rate / float(peaks[engine.name]) / threads
            print(
                f"\n{engine.name}: {work_done:.2f} GFLOP of matrix products, {rate:.0f} GFLOP/s = {share:.0%} of {threads} x "
                f"{peaks[engine.name]} GFLOP/s"
            )
        engine.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--ours", action="append", default=[], help="a further path of ours: plain, portable")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        for cell in options.cells.split(","):
            measure(options, cell, Path(work))


if __name__ == "__main__":
    main()
