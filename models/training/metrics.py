"""Figures of merit: AUROC with a bootstrap interval, temperature scaling, Youden threshold, Wilson interval."""

import math

import numpy as np


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    """Probability that a positive film scores above a negative one, ties counted half (Mann-Whitney)."""
    order = np.argsort(score, kind="stable")
    _, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    ranks = np.empty(len(score))
    ranks[order] = ((upper - counts + 1 + upper) / 2)[inverse]
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n0 * n1))


def auroc_interval(
    positive: np.ndarray, score: np.ndarray, draws: int = 2000, seed: int = 1
) -> tuple[float, float]:
    """95 % percentile bootstrap, resampled inside each class so that no draw is without one."""
    random = np.random.default_rng(seed)
    ones, zeros = score[positive], score[~positive]
    labels = np.r_[np.ones(len(ones), bool), np.zeros(len(zeros), bool)]
    values = [
        auroc(labels, np.r_[random.choice(ones, len(ones)), random.choice(zeros, len(zeros))])
        for _ in range(draws)
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def cross_entropy(positive: np.ndarray, logit: np.ndarray) -> float:
    """Mean negative log likelihood in nats."""
    return float(np.mean(np.logaddexp(0, logit) - positive * logit))


def fit_temperature(positive: np.ndarray, logit: np.ndarray) -> float:
    """The temperature in 0.2..20 that minimises cross-entropy (golden section on its logarithm)."""
    low, high = math.log(0.2), math.log(20.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(80):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if cross_entropy(positive, logit / math.exp(a)) < cross_entropy(
            positive, logit / math.exp(b)
        ):
            high = b
        else:
            low = a
    return math.exp((low + high) / 2)


def youden_threshold(positive: np.ndarray, probability: np.ndarray) -> float:
    """The cut that maximises sensitivity + specificity - 1, half way between two neighbouring scores."""
    cuts = np.unique(probability)
    cuts = (cuts[1:] + cuts[:-1]) / 2
    gain = [sensitivity(positive, probability, c) + specificity(positive, probability, c) for c in cuts]
    return float(cuts[int(np.argmax(gain))])


def sensitivity(positive: np.ndarray, probability: np.ndarray, cut: float) -> float:
    return float((probability[positive] >= cut).mean())


def specificity(positive: np.ndarray, probability: np.ndarray, cut: float) -> float:
    return float((probability[~positive] < cut).mean())


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion."""
    p = hits / count
    centre = p + z * z / (2 * count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return (centre - half) / (1 + z * z / count), (centre + half) / (1 + z * z / count)
