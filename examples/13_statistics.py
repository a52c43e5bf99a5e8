"""Private statistics: three hospitals' means, histogram and survival curves, and nobody's records.

Each hospital adds up its own records as whole numbers; only the sum of all hospitals is opened. The
tables are made up here, and all hospitals are in this process; docs/statistics.md says what is
promised to whom.

    python examples/13_statistics.py
"""

from __future__ import annotations

import numpy as np
import veilsum as vs
from numpy.typing import NDArray
from veilsum import stats


def hospital(num_records: int, seed: int) -> dict[str, NDArray[np.generic]]:
    """A made-up table: age, treatment, months until death or until the patient was last seen."""
    rng = np.random.default_rng(seed)
    treatment = rng.choice(["new", "usual"], num_records)
    months = rng.exponential(np.where(treatment == "new", 40, 25))
    seen_for = rng.uniform(6, 60, num_records)
    return {
        "age": rng.normal(62, 11, num_records).round(),
        "treatment": treatment,
        "months": np.minimum(months, seen_for),
        "died": months <= seen_for,
    }


def main() -> None:
    study = stats.Study(
        "new treatment against the usual one",
        columns=[
            stats.Number("age", 18, 100, unit="years"),
            stats.Category("treatment", ("new", "usual")),
            stats.Number("months", 0, 60),
            stats.Flag("died"),
        ],
        queries=[
            stats.Count(),
            stats.Mean("age"),
            stats.KaplanMeier("months", "died", times=range(6, 61, 6), share=4),
            stats.LogRank("months", "died", times=range(6, 61, 6), share=4),
        ],
        by="treatment",
        min_cell=1,
    )
    tables = {"north": hospital(900, 1), "south": hospital(1400, 2), "west": hospital(700, 3)}

    # Before anybody answers: what it will cost, and how good it will be.
    print(stats.forecast(study, num_sites=3, num_records=3000, epsilon=2.0, delta=1e-6), "\n")

    key = vs.generate_key(2048)  # 3072 bits are usual; this is faster.
    exact = stats.run(study, tables, key=key)
    noisy = stats.run(study, tables, key=key, epsilon=2.0, delta=1e-6)
    print(noisy)

    for group in study.groups:
        true, found = (
            result.get("survival", "months, died", group=group, at="36")
            for result in (exact, noisy)
        )
        print(f"\n{group}: {true.value:.3f} alive after 36 months; with noise {found.value:.3f}")
        assert abs(found.value - true.value) < 5 * found.noise


if __name__ == "__main__":
    main()
