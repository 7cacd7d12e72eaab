"""DenseNet (Huang et al., CVPR 2017) in plain torch, general in growth, blocks, channels and classes.

Parameter names are those of torchvision's DenseNet, so that one weights file serves torchvision, torchxrayvision
and the node. Only what the node runs is here: no dropout, no checkpointing.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """BN-ReLU-conv1x1-BN-ReLU-conv3x3; returns only the `growth_rate` new channels."""

    def __init__(self, channels: int, growth_rate: int, bn_size: int) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(F.relu(self.norm1(x)))
        return self.conv2(F.relu(self.norm2(x)))


class DenseBlock(nn.Module):
    """Layers whose outputs are appended to their common input along the channels."""

    def __init__(self, layers: int, channels: int, growth_rate: int, bn_size: int) -> None:
        super().__init__()
        for i in range(layers):
            layer = DenseLayer(channels + i * growth_rate, growth_rate, bn_size)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], 1)
        return x


class Transition(nn.Module):
    """BN-ReLU-conv1x1 that halves the channels, then a 2x2 mean that halves the grid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Input [N, in_channels, S, S], already normalised; output raw logits [N, classes]."""

    def __init__(
        self,
        growth_rate: int,
        block_config: Sequence[int],
        init_features: int,
        bn_size: int = 4,
        in_channels: int = 1,
        classes: int = 1,
    ) -> None:
        super().__init__()
        self.architecture = {
            "family": "densenet",
            "growth_rate": growth_rate,
            "block_config": list(block_config),
            "init_features": init_features,
            "bn_size": bn_size,
            "in_channels": in_channels,
        }
        stem = [
            ("conv0", nn.Conv2d(in_channels, init_features, 7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(init_features)),
            ("relu0", nn.ReLU()),
            ("pool0", nn.MaxPool2d(3, stride=2, padding=1)),
        ]
        self.features = nn.Sequential(OrderedDict(stem))
        channels = init_features
        for i, layers in enumerate(block_config):
            self.features.add_module(
                f"denseblock{i + 1}", DenseBlock(layers, channels, growth_rate, bn_size)
            )
            channels += layers * growth_rate
            if i + 1 < len(block_config):
                self.features.add_module(f"transition{i + 1}", Transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def maps(self, x: Tensor) -> Tensor:
        """Class activation maps [N, classes, h, w]; their mean plus the bias is the logit."""
        return torch.einsum("kc,ncyx->nkyx", self.classifier.weight, F.relu(self.features(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.relu(self.features(x)).mean((2, 3)))


def parameter_count(model: nn.Module) -> int:
    """Number of trained values, running statistics not counted."""
    return sum(p.numel() for p in model.parameters())
