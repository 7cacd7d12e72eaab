"""Writes a model package: weights.safetensors, reference.json and manifest.toml, and computes the golden logits.

The golden logits come from the weights as they are stored (rounded to F16 where F16 is asked for), because those
are what the node loads.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Label:
    """One classifier row. `region` is a fraction of the map's maximum; None = no regions."""

    name: str
    threshold: float
    region: float | None = None


@dataclass(frozen=True)
class Package:
    """Everything that manifest.toml says beside the weights' digest."""

    name: str
    version: str
    title: str
    summary: str
    architecture: dict[str, object]
    size: int
    mean: Sequence[float]
    std: Sequence[float]
    age: tuple[int, int]
    temperature: float | None
    labels: Sequence[Label] = field(default_factory=tuple)
    bf16: float | None = None


def reference_pattern(size: int, channels: int) -> np.ndarray:
    """pattern-v1: float32 [1, channels, size, size] in [0, 1], before mean and std."""
    c, y, x = np.meshgrid(np.arange(channels), np.arange(size), np.arange(size), indexing="ij")
    values = (37 * x + 91 * y + 13 * ((x * y) % 251) + 1000 * c) % 4096
    return (values / 4095).astype(np.float32)[None]


def network_values(unit: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(v - mean) / std per channel, in float32."""
    shape = (1, len(mean), 1, 1)
    shift = np.asarray(mean, np.float32).reshape(shape)
    scale = np.asarray(std, np.float32).reshape(shape)
    return torch.from_numpy((unit - shift) / scale)


def stored_state(model: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors to store: no batch counters, contiguous, in `dtype`. Refuses values that `dtype` distorts."""
    state = {}
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        rounded = value.detach().to(dtype).contiguous().clone()
        if not torch.allclose(rounded.float(), value.float(), rtol=1e-3, atol=1e-6):
            raise SystemExit(f"{key} cannot be stored as {dtype}")
        state[key] = rounded
    return state


def load_stored(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Puts the stored values back into the model, in float32."""
    missing, unexpected = model.load_state_dict(
        {key: value.float() for key, value in state.items()}, strict=False
    )
    if unexpected or any(not key.endswith("num_batches_tracked") for key in missing):
        raise SystemExit(f"weights do not fit: missing {missing}, unexpected {unexpected}")


def toml_value(value: object) -> str:
    """A TOML literal of a string, number or list: JSON's spelling of these is TOML's as well."""
    return json.dumps(value, ensure_ascii=False)


def manifest(package: Package, digest: str) -> str:
    """The text of manifest.toml."""
    lines = ["format = 1"]
    for key in ("name", "version", "title"):
        lines.append(f"{key} = {toml_value(getattr(package, key))}")
    lines += ['manufacturer = "Centinela project"', f"summary = {toml_value(package.summary)}"]
    lines += ["", "[architecture]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in package.architecture.items()]
    lines += ["", "[input]", f"size = {package.size}", 'chain = "window"']
    lines += [f"mean = {toml_value(list(package.mean))}", f"std = {toml_value(list(package.std))}"]
    lines += ["", "[population]", f"age_min = {package.age[0]}", f"age_max = {package.age[1]}"]
    lines += ["", "[weights]", 'file = "weights.safetensors"', f'sha256 = "{digest}"']
    lines += ["", "[calibration]"]
    if package.temperature is None:
        lines.append('kind = "none"')
    else:
        lines += ['kind = "temperature"', f"temperature = {package.temperature}"]
    if package.bf16 is not None:
        lines += ["", "[bf16]", f"max_logit_difference = {package.bf16}"]
    for label in package.labels:
        lines += ["", "[[label]]", f"name = {toml_value(label.name)}"]
        lines.append(f"threshold = {label.threshold}")
        if label.region is not None:
            lines.append(f"region = {label.region}")
    return "\n".join(lines) + "\n"


def write_package(
    folder: Path, package: Package, model: nn.Module, dtype: torch.dtype
) -> list[float]:
    """Writes the three files and returns the golden logits. Leaves `model` with the stored values, in eval mode."""
    folder.mkdir(parents=True, exist_ok=True)
    state = stored_state(model, dtype)
    load_stored(model, state)
    model.eval()
    save_file(state, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    unit = reference_pattern(package.size, len(package.mean))
    with torch.no_grad():
        logits = model(network_values(unit, package.mean, package.std))[0].tolist()
    if len(logits) != len(package.labels):
        raise SystemExit(f"{len(logits)} outputs but {len(package.labels)} labels")
    reference = {"format": 1, "input": "pattern-v1", "logits": logits, "tolerance": TOLERANCE}
    (folder / "reference.json").write_text(json.dumps(reference) + "\n")
    (folder / "manifest.toml").write_text(manifest(package, digest))
    return logits
