"""Makes models/tests/data/import/: tiny weights with random numbers in every container that `centinela model import` reads.

Run with the environment of models/training: `python models/training/make_import_fixtures.py`. The result is committed, so
that the tests need no torch. `expected.json` holds torch's logits for the golden pattern on each chain's scale.
"""

import json
import re
import warnings
from collections import OrderedDict
from pathlib import Path

import torch
import torch.serialization
import torchvision
import torchxrayvision as xrv
from safetensors.torch import save_file
from torch import nn

from export import reference_pattern

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "import"
SIZE = 32
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TINY = {"growth_rate": 2, "block_config": (1, 1), "num_init_features": 4, "bn_size": 1}


def shake(model: nn.Module) -> nn.Module:
    """Statistics that no layer shares, so that a swapped one shows."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            if isinstance(module, nn.Linear):
                module.bias.normal_(0, 1)
    return model.eval()


class DenseNet121(nn.Module):
    """The wrapper whose names CheXNet's checkpoints carry."""

    def __init__(self) -> None:
        super().__init__()
        self.densenet121 = torchvision.models.DenseNet(num_classes=14, **TINY)
        features = self.densenet121.classifier.in_features
        self.densenet121.classifier = nn.Sequential(nn.Linear(features, 14), nn.Sigmoid())


def old_names(state: dict) -> OrderedDict:
    """As torchvision spelt them before 0.2.1."""
    pattern = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))([12])\.")
    return OrderedDict((pattern.sub(r"\1.\2.", name), value) for name, value in state.items())


def logits(model: nn.Module, values: torch.Tensor) -> list[float]:
    with torch.no_grad():
        return model(values)[0].tolist()


def main() -> None:
    warnings.simplefilter("ignore")
    # Whole modules in the old container carry the text of their classes, which is not ours to copy.
    torch.serialization.get_source_lines_and_file = lambda _: (["# left out\n"], 0, "left_out.py")
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(4)
    model = shake(xrv.models.DenseNet(**TINY))
    with torch.no_grad():
        # Films come on a scale of 1024: logits near zero show more than logits near 300.
        model.features.conv0.weight /= 512
    state = model.state_dict()
    save = lambda what, name, **more: torch.save(what, FOLDER / name, **more)  # noqa: E731
    save(state, "zip_bare.pt")
    save({"epoch": 3, "state_dict": state, "loss": torch.tensor(0.5)}, "zip_nested.pt")
    save(OrderedDict((k, nn.Parameter(v)) for k, v in state.items() if v.is_floating_point()), "zip_parameters.pt")
    save(OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items()), "zip_half.pt")
    save(model, "zip_module.pt")
    save(model, "legacy_module.pt", _use_new_zipfile_serialization=False)
    save_file(state, FOLDER / "plain.safetensors")
    (FOLDER / "plain.safetensors").chmod(0o644)
    chexnet = shake(DenseNet121())
    wrapped = old_names(nn.DataParallel(chexnet).state_dict())
    save({"epoch": 7, "state_dict": wrapped, "best_loss": 0.1}, "legacy_chexnet.pth.tar", _use_new_zipfile_serialization=False)

    gray = torch.as_tensor(reference_pattern(SIZE, 1), dtype=torch.float32)
    expected = {"size": SIZE, "xray": logits(model, (2 * gray - 1) * 1024)}
    halved = xrv.models.DenseNet(**TINY).eval()
    halved.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in state.items()})
    expected["xray_half"] = logits(halved, (2 * gray - 1) * 1024)
    colour = torch.as_tensor(reference_pattern(SIZE, 3), dtype=torch.float32)
    colour = (colour - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    head = chexnet.densenet121.classifier
    chexnet.densenet121.classifier = head[0]
    expected["chexnet"] = logits(chexnet.densenet121, colour)
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
