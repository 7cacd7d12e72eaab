"""The node's network against torch on the same weights: what `make parity` runs.

`python models/training/parity.py [--package DIR]... [--films DIR]`

For every package: a file with network inputs (already normalised, "input" [N, C, S, S] float32), torch's raw
"logits" [N, K] and the class activation "maps" of the first; then the Rust comparer runs the package on them, on every
path that this processor has, and prints the differences. Made here: DenseNet-121 with random weights as
torchxrayvision builds it, on 200 random and real inputs, and its relatives (169, 201, three channels, other sizes);
nothing is downloaded. The others are packages of the project. Exits 1 if any difference exceeds the limit.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
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
CASES_121 = 200
MAPS = 4
# Name, blocks, input channels, side of the input.
RELATIVES = [
    ("parity-densenet169", (6, 12, 32, 32), 1, 224),
    ("parity-densenet201", (6, 12, 48, 32), 1, 224),
    ("parity-densenet121-rgb", (6, 12, 24, 16), 3, 224),
    ("parity-densenet121-512", (6, 12, 24, 16), 1, 512),
    ("parity-densenet121-odd", (6, 12, 24, 16), 1, 299),
]


def disturb(network: nn.Module) -> None:
    """Random norms: fresh ones (0 and 1) would hide a swapped or forgotten term."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)


def write_random(folder: Path, network: nn.Module, architecture: dict[str, object], size: int, labels: list[str]) -> None:
    """Writes a package of an untrained network."""
    channels = architecture["in_channels"]
    package = Package(
        name=folder.name,
        version="0.0.0",
        title="DenseNet with random weights",
        summary="Random weights, for comparison with torch only.",
        architecture=architecture,
        size=size,
        mean=[0.5] * channels,
        std=[0.25] * channels,
        age=(18, 120),
        temperature=None,
        labels=[Label(name, 0.5, 0.5) for name in labels],
    )
    write_package(folder, package, network, torch.float32)
    (folder / "MODEL_CARD.md").write_text("# Random weights\nFor comparison with torch only.\n")


def random_densenet121(folder: Path) -> nn.Module:
    """Writes a package of an untrained DenseNet-121 with 18 outputs and returns torchxrayvision's network."""
    import torchxrayvision as xrv

    torch.manual_seed(121)
    network = xrv.models.DenseNet(weights=None)
    disturb(network)
    architecture = DenseNet(32, [6, 12, 24, 16], 64, classes=18).architecture
    write_random(folder, network, architecture, 224, xrv.datasets.default_pathologies)
    return network


def random_relative(folder: Path, blocks: tuple[int, ...], channels: int, size: int) -> None:
    """Writes a package of an untrained network of the family with 14 outputs."""
    torch.manual_seed(sum(blocks) + channels + size)
    network = DenseNet(32, blocks, 64, in_channels=channels, classes=14)
    disturb(network)
    write_random(folder, network, network.architecture, size, [f"Class {n}" for n in range(14)])


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


def inputs(
    count: int, channels: int, size: int, mean: list[float], std: list[float], films: list[Path]
) -> Tensor:
    """Smooth random images with noise, the last one plain noise, and real films in every second place; normalised."""
    random = torch.Generator().manual_seed(4)
    coarse = torch.rand(count, channels, 7, 7, generator=random)
    unit = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    unit += 0.05 * torch.randn(unit.shape, generator=random)
    unit[-1] = torch.rand(channels, size, size, generator=random)
    for place, film in zip(range(0, count - 1, 2), films, strict=False):
        with Image.open(film) as image:
            grey = np.asarray(image.convert("L").resize((size, size)), np.float32) / 255
        unit[place] = torch.from_numpy(grey)
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


def write_cases(path: Path, model: nn.Module, given: Tensor) -> float:
    """Writes inputs and what torch makes of them; returns the largest |logit|."""
    weight = model.classifier.weight
    with torch.no_grad():
        logits = torch.cat([model(row[None]) for row in given])
        features = torch.relu(torch.cat([model.features(row[None]) for row in given[:MAPS]]))
        maps = torch.einsum("kc,ncyx->nkyx", weight, features)
    save_file({"input": given.contiguous(), "logits": logits.contiguous(), "maps": maps.contiguous()}, path)
    return logits.abs().max().item()


def compare(package: Path, cases: Path) -> dict[str, tuple[float, float]]:
    """Runs the Rust comparer; returns for each path the differences of logits and maps that it prints."""
    command = ["cargo", "run", "--release", "-q", "-p", "centinela-models", "--example", "parity"]
    run = subprocess.run(
        [*command, "--", str(package), str(cases)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.findall(r"path=(.+) max_abs_logit_diff=(\S+) max_abs_map_diff=(\S+)", run.stdout)
    if run.returncode != 0 or not found:
        raise SystemExit(f"the comparer failed ({run.returncode}): {run.stdout.strip()}")
    return {path: (float(logits), float(maps)) for path, logits, maps in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--package",
        type=Path,
        action="append",
        help="package of the project to compare (default: all under models/)",
    )
    parser.add_argument("--films", type=Path, help="folder of pictures that are among the inputs of DenseNet-121")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write the made files here instead of a temporary folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folders = args.package or sorted(p.parent for p in (PROJECT / "models").glob("*/manifest.toml"))
    if not folders:
        raise SystemExit("no package to compare")
    films = sorted(p for p in args.films.rglob("*") if p.suffix in (".png", ".jpg")) if args.films else []
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        made = work / "parity-densenet121"
        network = random_densenet121(made)
        relatives = []
        for name, blocks, channels, size in RELATIVES:
            random_relative(work / name, blocks, channels, size)
            relatives.append(work / name)
        worst = 0.0
        for folder in [made, *relatives, *folders]:
            model, mean, std, size = load_package(folder)
            if folder == made:
                model = network
            check_reference(folder, model, mean, std, size)
            cases = work / f"{folder.resolve().name}.cases.safetensors"
            count = CASES_121 if folder == made else CASES
            given = inputs(count, len(mean), size, mean, std, films if folder == made else [])
            real = min(len(films), (count - 1) // 2) if folder == made else 0
            largest = write_cases(cases, model, given)
            print(f"{folder.name}: {count} inputs, {real} of them films, max |logit| {largest:.3f}", flush=True)
            for path, (logits, maps) in compare(folder.resolve(), cases).items():
                print(f"  {path}: max |difference| of logits {logits:.2e}, of maps (share) {maps:.2e}", flush=True)
                # Written so that a NaN fails.
                difference = max(logits, maps, key=lambda d: (d != d, d))
                worst = worst if difference <= worst else difference
    if not worst <= LIMIT:
        print(f"parity: {worst:.2e} exceeds {LIMIT:.0e}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
