"""Imported weights against the toolkits that they come from: part of `make parity`.

`python models/training/import_parity.py [--development]`

1. Preprocessing: films of 20 odd sizes, both photometrics, 8 to 16 bits, as torchxrayvision with scikit-image and as
   torchvision with Pillow prepare them.
2. `op_norm`: every family's operating points.
3. End to end: DenseNets with random weights in every container go through `centinela model import`; then `centinela
   analyze` reads DICOM films, and its scores are those of torchxrayvision's own reading, preprocessing and model.

Nothing is downloaded. Exits 1 if any difference exceeds its limit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import torch
import torchvision
import torchxrayvision as xrv
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from safetensors.torch import save_file
from torch import nn

from make_import_fixtures import MEAN, STD, old_names, shake

PROJECT = Path(__file__).resolve().parents[2]
BASE = PROJECT / "tests" / "dicom-fixtures" / "dx_normal.dcm"
SIZES = [
    (225, 224), (231, 301), (301, 231), (333, 250), (447, 449), (511, 640), (640, 511), (673, 901), (768, 1023), (999, 777),
    (1025, 1281), (1281, 1025), (1111, 1399), (1500, 1201), (1733, 2001), (2021, 1689), (2049, 2499), (2499, 2049),
    (2500, 3000), (3001, 2497),
]  # fmt: skip
LIMIT_INPUT = 1e-3
LIMIT_UNIT = 1e-4
LIMIT_POINT = 1e-6
LIMIT_SCORE = 1e-3
FAMILIES = ["all", "nih", "pc", "chex", "mimic_nb", "mimic_ch", "rsna"]


class Programs:
    """The node and the dumper, built once."""

    def __init__(self, development: bool) -> None:
        profile = [] if development else ["--release"]
        build = ["cargo", "build", "-q", *profile]
        subprocess.run([*build, "--bin", "centinela"], cwd=PROJECT, check=True)
        dumper = ["-p", "centinela-models", "--example", "preprocess_dump"]
        subprocess.run([*build, *dumper], cwd=PROJECT, check=True)
        metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
        told = subprocess.run(metadata, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout
        folder = Path(json.loads(told)["target_directory"]) / ("debug" if development else "release")
        self.node, self.dumper = folder / "centinela", folder / "examples" / "preprocess_dump"

    def run(self, program: Path, *arguments: str | Path, home: Path) -> str:
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command[:3])} failed ({done.returncode}): {done.stdout.strip()}")
        return done.stdout


def film(path: Path, width: int, height: int, bits: int, inverted: bool, seed: int) -> None:
    """A film with smooth shades and noise. Its rescale slope is there to be ignored."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / (37 + seed) + seed) + np.cos(y / (53 + seed)) + np.sin((x + 2 * y) / 211)
    unit = (waves - waves.min()) / (waves.max() - waves.min()) * 0.8 + random.random((height, width)) * 0.2
    stored = np.minimum(unit * 2**bits, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)
    dataset = pydicom.dcmread(BASE)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Rows, dataset.Columns = height, width
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * stored.itemsize, bits, bits - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (bits - 1), 2**bits
    if seed % 2:
        dataset.RescaleSlope, dataset.RescaleIntercept = "2.5", "-100"
        dataset.WindowCenter, dataset.WindowWidth = 2.5 * 2 ** (bits - 1) - 100, 2.5 * (2**bits - 1) + 1
    dataset.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    dataset.save_as(path)


def xray_input(path: Path) -> np.ndarray:
    """What torchxrayvision's own reading and transforms give, [1, 224, 224]."""
    image = xrv.utils.read_xray_dcm(path)[None]
    return xrv.datasets.XRayResizer(224)(xrv.datasets.XRayCenterCrop()(image))


def imagenet_input(path: Path) -> np.ndarray:
    """Grey by its window, bone white, then torchvision's transforms, [3, 224, 224]."""
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    low = float(dataset.WindowCenter) - 0.5 - (float(dataset.WindowWidth) - 1) / 2
    gray = np.clip((values - low) / (float(dataset.WindowWidth) - 1), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        gray = 1 - gray
    transforms = torchvision.transforms
    image = transforms.CenterCrop(224)(transforms.Resize(256)(Image.fromarray(gray.astype(np.float32))))
    planes = torch.from_numpy(np.array(image))[None].repeat(3, 1, 1)
    return transforms.Normalize(MEAN, STD)(planes).numpy()


def check_inputs(programs: Programs, work: Path, package: Path, films: list[Path], oracle: Callable, limit: float) -> float:
    out = work / f"inputs-{package.name}"
    out.mkdir()
    told = programs.run(programs.dumper, package, out, *films, home=work)
    worst = 0.0
    for path in films:
        wanted = oracle(path).ravel()
        got = np.frombuffer((out / f"{path.name}.f32").read_bytes(), "<f4")
        difference = np.abs(got - wanted).max() if got.shape == wanted.shape else np.inf
        worst = worst if difference <= worst else float(difference)
    slowest = max(int(line.rsplit("prepare_ms=", 1)[1]) for line in told.splitlines())
    print(f"{package.name}: {len(films)} films, max |difference| {worst:.2e} (limit {limit:.0e}), slowest {slowest} ms")
    return worst


def check_points(work: Path, packages: dict[str, Path]) -> float:
    """The operating points of each family and op_norm as the node's manifests have them."""
    worst = 0.0
    for family, folder in packages.items():
        manifest = tomllib.loads((folder / "manifest.toml").read_text())
        entry = xrv.models.model_urls[family]
        got = np.array(manifest["calibration"]["thresholds"], np.float32)
        wanted = np.array(entry["op_threshs"], np.float32)
        if not np.array_equal(np.isnan(got), np.isnan(wanted)):
            raise SystemExit(f"{family}: other outputs are trained")
        if [label["name"] for label in manifest["label"]] != entry["labels"]:
            raise SystemExit(f"{family}: other labels")
        worst = max(worst, float(np.nanmax(np.abs(got - wanted))))
    print(f"operating points of {len(packages)} families: max |difference| {worst:.1e}")
    return worst


def scores(programs: Programs, work: Path, package: Path, films: list[Path]) -> list[dict[str, float]]:
    out = work / f"analyzed-{package.name}"
    flags = ["--profile", "none", "--model", package, "--out", out]
    programs.run(programs.node, "analyze", *films, *flags, home=work)
    entries = {Path(entry["file"]).name: entry for entry in json.loads((out / "findings.json").read_text())}
    for entry in entries.values():
        if entry["status"] != "analyzed":
            raise SystemExit(f"{entry['file']}: {entry['status']}: {entry['reason']}")
    return [entries[path.name]["scores"] for path in films]


def spread(model: nn.Module, head: nn.Linear, inputs: list[np.ndarray], around: torch.Tensor) -> None:
    """Turns the head so that each logit varies by about 1 over these inputs, around that value."""
    with torch.no_grad():
        logits = torch.cat([model(torch.from_numpy(values)[None]) for values in inputs])
        head.weight /= logits.std(0)[:, None]
        head.bias += around - head.bias - (logits - head.bias).mean(0) / logits.std(0)


def random_xray(family: str, seed: int, films: list[Path], **shape: object) -> nn.Module:
    """An untrained DenseNet of torchxrayvision whose scores lie on both sides of the operating points."""
    torch.manual_seed(seed)
    model = shake(xrv.models.DenseNet(**shape))
    points = torch.tensor(xrv.models.model_urls[family]["op_threshs"])
    with torch.no_grad():
        model.features.conv0.weight /= 512
    spread(model, model.classifier, [xray_input(path) for path in films], torch.logit(points.nan_to_num(0.1)))
    return model


def differences(got: list[dict[str, float]], wanted: list[dict[str, float]]) -> float:
    worst = 0.0
    # Scores that are the same for every film would show nothing.
    varied = max(max(row[label] for row in wanted) - min(row[label] for row in wanted) for label in wanted[0])
    if varied < 0.2:
        raise SystemExit(f"the scores of the toolkit vary by {varied:.3f} only: they would fit any film")
    for ours, theirs in zip(got, wanted, strict=True):
        if set(ours) != set(theirs):
            raise SystemExit(f"labels differ: {sorted(set(ours) ^ set(theirs))}")
        for label, probability in theirs.items():
            difference = abs(ours[label] - probability)
            worst = worst if difference <= worst else difference
    return worst


def xray_scores(model: nn.Module, family: str, films: list[Path]) -> list[dict[str, float]]:
    entry = xrv.models.model_urls[family]
    model.op_threshs = torch.tensor(entry["op_threshs"])
    with torch.no_grad():
        outputs = [model(torch.from_numpy(xray_input(path))[None])[0].tolist() for path in films]
    model.op_threshs = None
    return [{label: p for label, p in zip(entry["labels"], row, strict=True) if label} for row in outputs]


class Attack:
    """What a pickle can do to whoever loads it."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.witness}",)


def check_attacks(programs: Programs, work: Path) -> None:
    """Files that torch.load would run."""
    witness = work / "was-here"
    for n, new in enumerate((True, False)):
        source = work / f"attack-{n}.pt"
        torch.save({"state_dict": {"a": torch.zeros(2)}, "x": Attack(witness)}, source, _use_new_zipfile_serialization=new)
        command = [str(programs.node), "model", "import", str(source), "--name", "attack", "--version", "1"]
        command += ["--family", "all", "--output", str(work / "packages")]
        done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 1 or ".system" not in done.stdout or witness.exists():
            raise SystemExit(f"an attack was not refused by its name: {done.stdout.strip()}")
    print("files with os.system in both containers: refused by name, not run")


def write_kinds(model: nn.Module, folder: Path) -> dict[str, Path]:
    """The same weights in every container."""
    state = model.state_dict()
    half = OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items())
    with torch.no_grad():
        # The toolkit must see what the half precision files hold.
        model.load_state_dict(OrderedDict((k, v.float() if v.is_floating_point() else v) for k, v in half.items()))
    state = model.state_dict()
    vision = torchvision.models.densenet121(weights=None, num_classes=18)
    vision.features.conv0 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    vision.load_state_dict(state)
    old = {"_use_new_zipfile_serialization": False}
    parameters = OrderedDict((k, nn.Parameter(v)) for k, v in state.items() if v.is_floating_point())
    checkpoint = {"epoch": 3, "state_dict": state, "loss": np.float64(0.5), "args": argparse.Namespace(lr=1e-3), "names": np.array(["a"])}
    for name, what, more in [
        ("zip-bare.pt", state, {}),
        ("zip-nested.pt", checkpoint, {}),
        ("zip-half.pt", half, {}),
        ("zip-parameters.pt", parameters, {}),
        ("zip-module.pt", model, {}),
        ("zip-parallel-module.pt", nn.DataParallel(model), {}),
        ("zip-torchvision-module.pt", vision, {}),
        ("zip-protocol-4.pt", model, {"pickle_protocol": 4}),
        ("legacy-bare.pt", state, old),
        ("legacy-module.pt", model, old),
        ("legacy-parallel.pth.tar", {"state_dict": nn.DataParallel(model).state_dict()}, old),
    ]:
        torch.save(what, folder / name, **more)
    save_file(state, folder / "plain.safetensors")
    hub, tensors = folder / "hub-bin", folder / "hub-safetensors"
    config = {"model_type": "densenet", "id2label": {str(n): f"LABEL_{n}" for n in range(18)}}
    for made in (hub, tensors):
        made.mkdir()
        (made / "config.json").write_text(json.dumps(config))
    torch.save(state, hub / "pytorch_model.bin")
    save_file(state, tensors / "model.safetensors")
    return {path.stem: path for path in sorted(folder.iterdir())}


def check_kinds(programs: Programs, work: Path, films: list[Path]) -> float:
    folder = work / "kinds"
    folder.mkdir()
    model = random_xray("all", 1, films)
    kinds = write_kinds(model, folder)
    wanted = xray_scores(model, "all", films)
    worst = 0.0
    for kind, path in kinds.items():
        package = imported(programs, work, path, kind, "--family", "all")
        difference = differences(scores(programs, work, package, films), wanted)
        print(f"{kind}: {len(films)} films, 18 labels, max |score difference| {difference:.1e}", flush=True)
        worst = worst if difference <= worst else difference
    return worst


def imported(programs: Programs, work: Path, source: Path, name: str, *flags: str) -> Path:
    name = name.lower().replace("_", "-")
    required = ["--name", name, "--version", "1.0", "--output", work / "packages"]
    programs.run(programs.node, "model", "import", source, *required, *flags, home=work)
    package = work / "packages" / f"{name}-1.0"
    programs.run(programs.node, "model", "verify", package, home=work)
    return package


def check_families(programs: Programs, work: Path, films: list[Path]) -> tuple[float, dict[str, Path]]:
    worst, packages = 0.0, {}
    for seed, family in enumerate(FAMILIES):
        model = random_xray(family, 20 + seed, films)
        source = work / f"{family}.pt"
        torch.save(model, source)
        packages[family] = imported(programs, work, source, f"family-{family}", "--family", family)
        source.unlink()
        wanted = xray_scores(model, family, films)
        difference = differences(scores(programs, work, packages[family], films), wanted)
        print(f"family {family}: {len(wanted[0])} labels, max |score difference| {difference:.1e}", flush=True)
        worst = worst if difference <= worst else difference
    return worst, packages


class DenseNet121(nn.Module):
    """The wrapper whose names CheXNet's checkpoints carry."""

    def __init__(self) -> None:
        super().__init__()
        self.densenet121 = torchvision.models.densenet121(weights=None)
        self.densenet121.classifier = nn.Sequential(nn.Linear(1024, 14), nn.Sigmoid())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.densenet121(values)


def check_chexnet(programs: Programs, work: Path, films: list[Path]) -> tuple[float, Path]:
    torch.manual_seed(5)
    model = shake(DenseNet121())
    head = model.densenet121.classifier
    model.densenet121.classifier = head[0]
    spread(model, head[0], [imagenet_input(path) for path in films], torch.zeros(14))
    model.densenet121.classifier = head
    source = work / "model.pth.tar"
    state = {"epoch": 1, "state_dict": old_names(nn.DataParallel(model).state_dict()), "best_loss": np.float32(0.2)}
    torch.save(state, source, _use_new_zipfile_serialization=False)
    package = imported(programs, work, source, "chexnet", "--family", "chexnet")
    labels = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"]
    labels += ["Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"]
    with torch.no_grad():
        outputs = [model(torch.from_numpy(imagenet_input(path))[None])[0].tolist() for path in films]
    wanted = [dict(zip(labels, row, strict=True)) for row in outputs]
    difference = differences(scores(programs, work, package, films), wanted)
    print(f"CheXNet: 14 labels, max |score difference| {difference:.1e}", flush=True)
    return difference, package


def check_depths(programs: Programs, work: Path, films: list[Path]) -> float:
    """Deeper networks, with labels from flags and no calibration."""
    worst = 0.0
    labels = xrv.datasets.default_pathologies
    for depth, blocks in [(169, (6, 12, 32, 32)), (201, (6, 12, 48, 32))]:
        model = random_xray("all", depth, films, block_config=blocks)
        source = work / f"densenet{depth}.safetensors"
        save_file(model.state_dict(), source)
        flags = ["--labels", ",".join(labels), "--preprocessing", "torchxrayvision"]
        package = imported(programs, work, source, f"densenet{depth}", *flags)
        with torch.no_grad():
            outputs = [torch.sigmoid(model(torch.from_numpy(xray_input(path))[None]))[0].tolist() for path in films]
        wanted = [dict(zip(labels, row, strict=True)) for row in outputs]
        difference = differences(scores(programs, work, package, films), wanted)
        print(f"DenseNet-{depth}: max |score difference| {difference:.1e}", flush=True)
        worst = worst if difference <= worst else difference
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--development", action="store_true", help="compare the development build")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    programs = Programs(arguments.development)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        films = []
        for n, (width, height) in enumerate(SIZES):
            for inverted in (False, True):
                films.append(work / f"{width}x{height}-{'1' if inverted else '2'}.dcm")
                film(films[-1], width, height, 8 + n % 9, inverted, 2 * n + inverted)
        # Some of each: small and large, both photometrics, 8 to 16 bits.
        few = [films[n] for n in (0, 15, 22, 37)]
        check_attacks(programs, work)
        results = {}
        results["scores, containers"] = (check_kinds(programs, work, few), LIMIT_SCORE)
        difference, packages = check_families(programs, work, few)
        results["scores, families"] = (difference, LIMIT_SCORE)
        results["operating points"] = (check_points(work, packages), LIMIT_POINT)
        difference, chexnet = check_chexnet(programs, work, few)
        results["scores, CheXNet"] = (difference, LIMIT_SCORE)
        results["scores, depths"] = (check_depths(programs, work, few), LIMIT_SCORE)
        inputs = check_inputs(programs, work, packages["all"], films, xray_input, LIMIT_INPUT)
        results["inputs, torchxrayvision"] = (inputs, LIMIT_INPUT)
        inputs = check_inputs(programs, work, chexnet, films, imagenet_input, LIMIT_UNIT)
        results["inputs, imagenet"] = (inputs, LIMIT_UNIT)
    # Written so that a NaN fails.
    failed = [name for name, (difference, limit) in results.items() if not difference <= limit]
    for name, (difference, limit) in results.items():
        print(f"{name}: {difference:.2e} (limit {limit:.0e}){' FAILED' if name in failed else ''}")
    if failed:
        print(f"import parity: {', '.join(failed)}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
