"""Tests of the parts that the node depends on: the input chain, the maps, the stored names, the figures."""

import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from boxes import iou, peak_region
from data import augment, network_input
from densenet import DenseNet
from export import Label, Package, load_stored, reference_pattern, stored_state, write_package
from metrics import auroc, fit_temperature, sigmoid, youden_threshold


def small(classes: int = 2) -> DenseNet:
    torch.manual_seed(3)
    model = DenseNet(4, [2, 2], 6, classes=classes)
    model(torch.randn(8, 1, 64, 64))
    return model.eval()


class Network(unittest.TestCase):
    def test_mean_of_map_plus_bias_is_logit(self) -> None:
        model = small()
        torch.nn.init.normal_(model.classifier.bias)
        x = torch.randn(3, 1, 64, 64)
        with torch.no_grad():
            total = model.maps(x).mean((2, 3)) + model.classifier.bias
            self.assertLess((total - model(x)).abs().max().item(), 1e-5)

    def test_torchvision_loads_the_names_and_agrees(self) -> None:
        from torchvision.models import DenseNet as Theirs

        ours = DenseNet(4, [2, 3], 6, in_channels=3, classes=2).eval()
        theirs = Theirs(4, (2, 3), 6, num_classes=2).eval()
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            self.assertLess((ours(x) - theirs(x)).abs().max().item(), 1e-5)


class Input(unittest.TestCase):
    def test_portrait_is_centred_on_black(self) -> None:
        film = Image.fromarray(np.full((448, 224), 255, np.uint8))
        unit = network_input(film)
        self.assertEqual(unit.shape, (224, 224))
        self.assertAlmostEqual(float(unit[:, 60:160].min()), 1.0, places=6)
        self.assertEqual(float(unit[:, :55].max()), 0.0)
        self.assertEqual(float(unit[:, 169:].max()), 0.0)

    def test_augmentation_repeats_and_stays_in_range(self) -> None:
        films = torch.rand(4, 1, 64, 64)
        once = augment(films, torch.Generator().manual_seed(5))
        again = augment(films, torch.Generator().manual_seed(5))
        self.assertTrue(torch.equal(once, again))
        self.assertGreaterEqual(once.min().item(), 0.0)
        self.assertLessEqual(once.max().item(), 1.0)
        self.assertGreater((once - films).abs().mean().item(), 0.01)


class Figures(unittest.TestCase):
    def test_auroc_counts_ties_half(self) -> None:
        labels = np.array([True, True, False, False])
        self.assertEqual(auroc(labels, np.array([2.0, 1.0, 1.0, 0.0])), 0.875)
        self.assertEqual(auroc(labels, np.array([0.0, 0.0, 1.0, 1.0])), 0.0)

    def test_temperature_is_recovered(self) -> None:
        random = np.random.default_rng(1)
        logit = random.normal(0, 2, 20_000)
        labels = random.random(20_000) < sigmoid(logit)
        self.assertAlmostEqual(fit_temperature(labels, logit * 3), 3.0, delta=0.2)

    def test_threshold_lies_between_the_classes(self) -> None:
        labels = np.array([False, False, True, True])
        cut = youden_threshold(labels, np.array([0.1, 0.3, 0.6, 0.9]))
        self.assertAlmostEqual(cut, 0.45)

    def test_region_is_the_part_around_the_peak(self) -> None:
        activation = np.zeros((10, 10))
        activation[2:4, 3:6] = 1.0
        activation[2, 4] = 2.0
        activation[8, 8] = 1.5
        peak, box = peak_region(activation, 0.5)
        self.assertEqual(peak, (2, 4))
        self.assertEqual(box, (3.0, 2.0, 6.0, 4.0))
        self.assertAlmostEqual(iou(box, (3.0, 2.0, 6.0, 3.0)), 0.5)


class Export(unittest.TestCase):
    def test_pattern_by_hand(self) -> None:
        pattern = reference_pattern(8, 2)
        self.assertEqual(pattern.shape, (1, 2, 8, 8))
        self.assertAlmostEqual(float(pattern[0, 1, 3, 5]), (185 + 273 + 13 * 15 + 1000) / 4095, places=6)

    def test_golden_logits_are_of_the_rounded_weights(self) -> None:
        model = small()
        package = Package(
            name="t",
            version="1.0.0",
            title='with "quotes"',
            summary="s",
            architecture=model.architecture,
            size=64,
            mean=[0.5],
            std=[0.25],
            age=(0, 120),
            temperature=1.5,
            labels=[Label("Pneumonia", 0.5), Label("Mass", 0.25, 0.5)],
        )
        unrounded = stored_state(model, torch.float32)
        with tempfile.TemporaryDirectory() as folder:
            logits = write_package(Path(folder), package, model, torch.float16)
            manifest = tomllib.loads((Path(folder) / "manifest.toml").read_text())
        x = torch.from_numpy((reference_pattern(64, 1) - np.float32(0.5)) / np.float32(0.25))
        with torch.no_grad():
            self.assertEqual(model(x)[0].tolist(), logits)
            load_stored(model, unrounded)
            self.assertNotEqual(model(x)[0].tolist(), logits)
        self.assertEqual(manifest["title"], 'with "quotes"')
        self.assertEqual([row["name"] for row in manifest["label"]], ["Pneumonia", "Mass"])
        self.assertNotIn("region", manifest["label"][0])


if __name__ == "__main__":
    unittest.main()
