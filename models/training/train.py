"""Trains the demonstrator and writes its package: `python models/training/train.py --data DIR --out DIR`.

The last averaged weights are taken; no epoch is picked by its validation figures. Temperature and threshold are
then set on the NIH adult validation films, so the figures on those are slightly flattered; the card says so.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from boxes import overlaps
from card import model_card
from data import MEAN, SIZE, STD, augment, load_bytes, normalise, read_films, sampling_weights
from densenet import DenseNet, parameter_count
from evaluate import calibrate, evaluate
from export import Label, Package, load_stored, stored_state, write_package

NAME, VERSION = "cxr-demo", "0.1.0"
GROWTH, BLOCKS, INIT = 16, [4, 8, 12, 8], 32
SHARE = {"nih": 0.5, "kermany": 0.5}
BATCH = 32
DRAWS = 2400
SMALL = 128
REGION = 0.5


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv and images/")
    parser.add_argument("--out", type=Path, required=True, help="package folder to write")
    parser.add_argument("--epochs", type=int, default=20, help=f"of {DRAWS} films each")
    parser.add_argument("--seed", type=int, default=20240117)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def shrink(pixels: Tensor) -> Tensor:
    """The same films at SMALL x SMALL, still 8 bits."""
    parts = [
        F.interpolate(part, size=(SMALL, SMALL), mode="bilinear", antialias=True)
        for part in pixels.split(256)
    ]
    return torch.cat(parts)


def train(data: Path, epochs: int, seed: int) -> tuple[DenseNet, list[float]]:
    """Returns the averaged model and the seconds of each epoch."""
    films = [f for f in read_films(data) if f.split == "train" and f.source in SHARE]
    pixels = load_bytes(films)
    small = shrink(pixels)
    targets = torch.tensor([float(f.positive is True) for f in films])
    weights = sampling_weights(films, SHARE)
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = DenseNet(GROWTH, BLOCKS, INIT).to(memory_format=torch.channels_last)
    print(f"{len(films)} films, {parameter_count(model)} parameters", flush=True)
    steps = DRAWS // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=epochs * steps, pct_start=0.15
    )
    average = AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    seconds = []
    for epoch in range(epochs):
        started = time.perf_counter()
        # Most of the road on small images (a third of the cost), the last fifth at the size that is served.
        source = small if epoch < math.floor(epochs * 0.8) else pixels
        drawn = torch.multinomial(weights, DRAWS, replacement=True, generator=random)
        losses = []
        for rows in drawn.split(BATCH):
            unit = augment(source[rows].float() / 255, random)
            inputs = normalise(unit).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(inputs)
            # Smoothed targets: the NIH labels are text-mined and partly wrong.
            smooth = targets[rows] * 0.9 + 0.05
            loss = F.binary_cross_entropy_with_logits(logits[:, 0].float(), smooth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.item())
        seconds.append(time.perf_counter() - started)
        print(
            f"epoch {epoch + 1}/{epochs} size {source.shape[-1]} loss {sum(losses) / len(losses):.4f}"
            f" {seconds[-1]:.1f} s",
            flush=True,
        )
    return average.module, seconds


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    model, seconds = train(args.data, args.epochs, args.seed)
    # Everything below is measured on the weights as stored, not on the unrounded ones.
    load_stored(model, stored_state(model, torch.float16))
    model.eval()
    results = evaluate(model, args.data)
    operating = calibrate(results)
    package = Package(
        name=NAME,
        version=VERSION,
        title="Centinela demonstrator",
        summary="Small DenseNet that marks films resembling pneumonia; a demonstrator, not for diagnostic use.",
        architecture=model.architecture,
        size=SIZE,
        mean=[MEAN],
        std=[STD],
        age=(18, 120),
        temperature=operating.temperature,
        labels=[Label("Pneumonia", operating.threshold, REGION)],
    )
    write_package(args.out, package, model, torch.float16)
    card = model_card(
        package,
        parameters=parameter_count(model),
        epochs=args.epochs,
        seed=args.seed,
        seconds=seconds,
        draws=DRAWS,
        share=SHARE,
        results=results,
        operating=operating,
        boxes=overlaps(model, args.data, "Pneumonia", REGION),
    )
    (args.out / "MODEL_CARD.md").write_text(card)
    print(card)


if __name__ == "__main__":
    main()
