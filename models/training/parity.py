"""The node's network against torch on the same weights: what `make parity` runs.

`python models/training/parity.py [--package DIR]...`

For every package: a file with N network inputs (already normalised, "input" [N, C, S, S] float32) and torch's raw
"logits" [N, K]; then the Rust comparer runs the package on them and prints `max_abs_logit_diff=...`. The first package is
made here, DenseNet-121 with random weights as torchxrayvision builds it (nothing is downloaded); the others are
packages of the project. Exits 1 if any difference exceeds the limit.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from densenet import DenseNet
from export import (
    Label,
    Package,
    load_stored,
    network_values,
    reference_pattern,
    write_package,
)

PROJECT = Path(__file__).resolve().parents[2]
LIMIT = 1e-4
CASES = 4


def random_densenet121(folder: Path) -> nn.Module:
    """Writes a package of an untrained DenseNet-121 with 18 outputs and returns its network."""
    import torchxrayvision as xrv

    torch.manual_seed(121)
    network = xrv.models.DenseNet(weights=None)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Fresh statistics (0 and 1) would hide a swapped or forgotten term.
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
    labels = [Label(name, 0.5, 0.5) for name in xrv.datasets.default_pathologies]
    package = Package(
        name="parity-densenet121",
        version="0.0.0",
        title="DenseNet-121 with random weights",
        summary="Random weights, for comparison with torch only.",
        architecture={
            "family": "densenet",
            "growth_rate": 32,
            "block_config": [6, 12, 24, 16],
            "init_features": 64,
            "bn_size": 4,
            "in_channels": 1,
        },
        size=224,
        mean=[0.5],
        std=[0.25],
        age=(18, 120),
        temperature=None,
        labels=labels,
    )
    write_package(folder, package, network, torch.float32)
    (folder / "MODEL_CARD.md").write_text("# Random weights\nFor comparison with torch only.\n")
    return network


def load_package(folder: Path) -> tuple[nn.Module, list[float], list[float], int]:
    """The network of a package with its mean, std and input size."""
    with open(folder / "manifest.toml", "rb") as file:
        manifest = tomllib.load(file)
    architecture = dict(manifest["architecture"])
    if architecture.pop("family") != "densenet":
        raise SystemExit(f"{folder}: not a densenet")
    model = DenseNet(**architecture, classes=len(manifest["label"]))
    load_stored(model, load_file(folder / manifest["weights"]["file"]))
    entry = manifest["input"]
    return model.eval(), entry["mean"], entry["std"], entry["size"]


def random_inputs(channels: int, size: int, mean: list[float], std: list[float]) -> Tensor:
    """Smooth random images with noise, normalised; the last one is plain noise."""
    random = torch.Generator().manual_seed(4)
    coarse = torch.rand(CASES, channels, 7, 7, generator=random)
    unit = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    unit += 0.05 * torch.randn(unit.shape, generator=random)
    unit[-1] = torch.rand(channels, size, size, generator=random)
    shape = (1, channels, 1, 1)
    return (unit.clamp(0, 1) - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


def check_reference(folder: Path, model: nn.Module, mean: list[float], std: list[float], size: int) -> None:
    """The committed golden logits must be what torch gives here."""
    reference = json.loads((folder / "reference.json").read_text())
    with torch.no_grad():
        logits = model(network_values(reference_pattern(size, len(mean)), mean, std))[0]
    difference = (logits - torch.tensor(reference["logits"])).abs().max().item()
    if not difference <= reference["tolerance"]:
        raise SystemExit(f"{folder.name}: reference.json differs from torch by {difference:.2e}")


def write_cases(path: Path, model: nn.Module, inputs: Tensor) -> float:
    """Writes inputs and torch's logits; returns the largest |logit|."""
    with torch.no_grad():
        logits = torch.cat([model(row[None]) for row in inputs])
    save_file({"input": inputs.contiguous(), "logits": logits.contiguous()}, path)
    return logits.abs().max().item()


def compare(package: Path, cases: Path) -> float:
    """Runs the Rust comparer and returns the difference that it prints."""
    command = ["cargo", "run", "--release", "-q", "-p", "centinela-models", "--example", "parity"]
    run = subprocess.run(
        [*command, "--", str(package), str(cases)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.search(r"max_abs_logit_diff=(\S+)", run.stdout)
    if run.returncode != 0 or found is None:
        raise SystemExit(f"the comparer failed ({run.returncode}): {run.stdout.strip()}")
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--package",
        type=Path,
        action="append",
        help="package of the project to compare (default: all under models/)",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write the made files here instead of a temporary folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folders = args.package or sorted(p.parent for p in (PROJECT / "models").glob("*/manifest.toml"))
    if not folders:
        raise SystemExit("no package to compare")
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        made = work / "parity-densenet121"
        network = random_densenet121(made)
        worst = 0.0
        for folder in [made, *folders]:
            model, mean, std, size = load_package(folder)
            if folder == made:
                model = network
            check_reference(folder, model, mean, std, size)
            cases = work / f"{folder.resolve().name}.cases.safetensors"
            largest = write_cases(cases, model, random_inputs(len(mean), size, mean, std))
            difference = compare(folder.resolve(), cases)
            print(f"{folder.name}: max |logit| {largest:.3f}, max |difference| {difference:.2e}", flush=True)
            # Written so that a NaN fails.
            worst = worst if difference <= worst else difference
    if not worst <= LIMIT:
        print(f"parity: {worst:.2e} exceeds {LIMIT:.0e}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
