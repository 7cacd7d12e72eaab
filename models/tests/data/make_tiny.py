"""Makes tiny/: a DenseNet with odd numbers everywhere, random weights and golden logits from PyTorch.

Run with the environment of models/training: `python models/tests/data/make_tiny.py`. The result is committed.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "training"))
from densenet import DenseNet  # noqa: E402
from export import network_values, reference_pattern  # noqa: E402

torch.manual_seed(7)
model = DenseNet(growth_rate=3, block_config=[2, 3, 1], init_features=5, bn_size=2, in_channels=2, classes=2)
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        torch.nn.init.uniform_(module.bias, -0.5, 0.5)
        torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
        torch.nn.init.uniform_(module.running_var, 0.2, 2.0)
torch.nn.init.uniform_(model.classifier.weight, -0.3, 0.3)
model.classifier.bias.data = torch.tensor([0.3, -0.2])
model.eval()
folder = HERE / "tiny"
# The training counters stay in, as PyTorch writes them.
save_file(model.state_dict(), folder / "weights.safetensors")
(folder / "weights.safetensors").chmod(0o644)
digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
with torch.no_grad():
    logits = model(network_values(reference_pattern(64, 2), [0.5, 0.4], [0.25, 0.3]))[0].tolist()
reference = {"format": 1, "input": "pattern-v1", "logits": logits, "tolerance": 1e-4}
(folder / "reference.json").write_text(json.dumps(reference) + "\n")
(folder / "manifest.toml").write_text(
    f"""format = 1
name = "test-tiny"
version = "1.0.0"
title = "Tiny network for tests"
manufacturer = "Centinela project"
summary = "Random weights, made by make_tiny.py."

[architecture]
family = "densenet"
growth_rate = 3
block_config = [2, 3, 1]
init_features = 5
bn_size = 2
in_channels = 2

[input]
size = 64
chain = "window"
mean = [0.5, 0.4]
std = [0.25, 0.3]

[population]
age_min = 18
age_max = 120

[weights]
file = "weights.safetensors"
sha256 = "{digest}"

[calibration]
kind = "temperature"
temperature = 1.5

[[label]]
name = "Pneumonia"
threshold = 0.01
region = 0.5

[[label]]
name = "Edema"
threshold = 0.99
"""
)
print(logits, (folder / "weights.safetensors").stat().st_size)
