"""Writes domain/tests/data/merit.json: figures of merit by scikit-learn, scipy and numpy, and the project's own metrics.py.

    python models/training/make_merit.py > domain/tests/data/merit.json      (needs scikit-learn, scipy)
"""

import json

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, roc_auc_score

from metrics import auroc_interval, youden_threshold


def delong_error(positive: np.ndarray, score: np.ndarray) -> float:
    """By the definition: every pair of a positive and a negative film."""
    ones, zeros = score[positive], score[~positive]
    pairs = (ones[:, None] > zeros[None, :]) + 0.5 * (ones[:, None] == zeros[None, :])
    of_ones, of_zeros = pairs.mean(1), pairs.mean(0)
    return float(np.sqrt(of_ones.var(ddof=1) / len(ones) + of_zeros.var(ddof=1) / len(zeros)))


def expected_error(positive: np.ndarray, score: np.ndarray) -> float:
    place = np.minimum((score * 10).astype(int), 9)
    gaps = [abs((score[place == b] - positive[place == b]).sum()) for b in range(10)]
    return float(sum(gaps) / len(score))


def case(name: str, positive: np.ndarray, score: np.ndarray) -> dict:
    low, high = auroc_interval(positive, score)
    return {
        "name": name,
        "positive": positive.astype(int).tolist(),
        "score": score.tolist(),
        "auroc": float(roc_auc_score(positive, score)),
        "delong_error": delong_error(positive, score),
        "bootstrap": [low, high],
        "brier": float(brier_score_loss(positive, score)),
        "expected_error": expected_error(positive, score),
        "youden": youden_threshold(positive, score),
    }


def main() -> None:
    random = np.random.default_rng(7)
    cases = []
    for name, count, digits in [("plain", 60, 6), ("ties", 40, 1), ("few", 7, 3)]:
        positive = random.random(count) < 0.4
        positive[:4] = [True, True, False, False]
        score = np.clip(random.normal(0.4 + 0.2 * positive, 0.2), 0, 1).round(digits)
        cases.append(case(name, positive, score))
    draws = np.random.default_rng(1)
    wilson = []
    for hits, count in [(0, 5), (3, 7), (53, 71), (64, 81), (9, 9)]:
        interval = binomtest(hits, count).proportion_ci(method="wilson")
        wilson.append([hits, count, interval.low, interval.high])
    print(
        json.dumps(
            {
                "cases": cases,
                "draws": [[n, draws.choice(np.arange(n), n).tolist()] for n in (5, 1, 12, 3)],
                "wilson": wilson,
            }
        )
    )


if __name__ == "__main__":
    main()
