"""The text of MODEL_CARD.md: what the demonstrator is, was made from, reaches, and can not do."""

from boxes import Overlap, sentence
from evaluate import Group, Operating, table
from export import Package


def model_card(
    package: Package,
    *,
    parameters: int,
    epochs: int,
    seed: int,
    seconds: list[float],
    draws: int,
    share: dict[str, float],
    results: list[Group],
    operating: Operating,
    boxes: list[Overlap],
) -> str:
    blocks = package.architecture["block_config"]
    growth = package.architecture["growth_rate"]
    mixture = ", ".join(f"{source} {part:.0%}" for source, part in share.items())
    per_epoch = sum(seconds) / len(seconds)
    return f"""# {package.name} {package.version}

**A demonstrator, not for diagnostic use.** It exists so that the node can be tried end to end with a model whose
origin is known. It has not been validated on any clinical population, it is not a medical device, and its answer
must not influence the care of anybody.

## What it is
A DenseNet-BC (growth {growth}, blocks {blocks}, {parameters:,} parameters) from one short training run on a CPU, one
output: *Pneumonia*. One label only, because the data carry no other that can be learnt: among the adult films the
next most frequent findings have 20 to 114 examples, all text-mined, none boxed in useful number.
Declared range: frontal films of persons of {package.age[0]} to {package.age[1]} years.

Input: chain `window`, {package.size} x {package.size}. Probability = sigmoid(logit / {operating.temperature}), threshold
{operating.threshold} (the maximum of Youden's index on the NIH adult validation films: sensitivity
{operating.sensitivity:.2f}, specificity {operating.specificity:.2f} there). Weights are stored in F16; every figure here is of
the stored weights. Regions are where the class activation exceeds {package.labels[0].region} of its maximum: they show
what drove the score, they do not outline disease.

## How well it reads, source by source
Validation films only, split by patient and near-duplicate group; 95 % intervals (bootstrap for AUROC, Wilson for
proportions). Baselines are one number that knows nothing of medicine, turned to whichever direction is better.

{table(results, operating)}

How to read this table:
- **The NIH rows are the only ones on adults with both classes, and they are weak evidence.** The NIH normals were picked
  differently from the NIH pneumonias: the size of the original file alone separates them. Where the model's AUROC is
  below that baseline, or their intervals overlap, it may be reading how the film was made instead of the lung. In
  the band of file sizes that both classes share there are too few films to tell.
- Temperature and threshold were set on the first row, so its sensitivity and specificity are flattered. No epoch and no
  setting was picked by these figures; the weights are the last ones.
- Kermany films are of children, whom the model is not declared for. That row shows only that the training worked.
- MHH has no normals, so no AUROC; its label belongs to the patient, not to the film. None of it was trained on.
- Sources are never pooled, and a good figure on one says nothing about another.

Regions against the boxes that NIH's radiologists drew for pneumonia (all boxed films, whatever their score):

- {sentence(boxes, "val")};
- {sentence(boxes, "train")}.

The map has 7 x 7 cells, so a region cannot be finer than a seventh of the film.

## What it was made from
Training part: NIH and Kermany, drawn {mixture}, and inside each source both classes alike, so that neither class comes
from one source only and no class weight is needed beyond that. MHH was left out of training for the same reason: it has
no normals, and its machine's look would become a sign of disease. Children's films are auxiliary training data.
Augmentation: shift, scale, aspect, rotation to 8 degrees, contrast, brightness, gamma, blur, noise; never a mirror image.

Attribution:
- NIH: provided by the NIH Clinical Center; no restrictions on use. Wang X. et al., ChestX-ray8, IEEE CVPR 2017, 3462-3471.
  Labels text-mined from reports.
- MHH (evaluation only): Hannover Medical School, doi 10.25835/0090041, CC BY 3.0, downscaled.
- Kermany: Kermany, Zhang, Goldbaum, Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0, resized.

## How to make it again
```
python models/training/train.py --data DIR --out models/{package.name}-{package.version} --epochs {epochs} --seed {seed}
```
{epochs} epochs of {draws} films (four fifths of them at 128 x 128), {per_epoch:.0f} s per epoch with one thread on a busy CPU,
bfloat16 arithmetic, AdamW, one-cycle rate, averaged weights. The seed fixes every draw; other processors and torch versions
round differently, so figures repeat closely, not bit for bit.

## Limits
Weak on adults, see above. Not tested on: lateral films, bedside films with much hardware, other countries' machines, any
film in which the window does not show the lungs. Text markers and cables can drive the score. No test of fairness by
sex, age or origin is possible with these data.
"""
