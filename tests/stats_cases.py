"""Studies and tables for the tests of veilsum.stats."""

import numpy as np
from known_keys import known_key
from sklearn.datasets import load_diabetes
from veilsum import stats

KEY = known_key(2048).secret


def diabetes():
    """Scikit-learn's 442 patients, with sex as a word and an event for survival curves."""
    loaded = load_diabetes(scaled=False)
    table = {name: loaded.data[:, i] for i, name in enumerate(loaded.feature_names)}
    table["sex"] = np.where(table["sex"] == 1, "A", "B")
    table["progress"] = loaded.target
    table["event"] = (np.arange(442) % 3 > 0).astype(int)
    table["id"] = np.arange(442)
    return table


def split(table, num_sites=3, seed=7):
    """The table of each of some sites, which differ in size."""
    sizes = np.arange(1, num_sites + 1)
    of_record = np.random.default_rng(seed).choice(
        num_sites, len(next(iter(table.values()))), p=sizes / sizes.sum()
    )
    return {
        f"site-{i}": {name: values[of_record == i] for name, values in table.items()}
        for i in range(num_sites)
    }


AGE = stats.Number("age", 0, 100, unit="years")
BMI = stats.Number("bmi", 10, 60)
PROGRESS = stats.Number("progress", 0, 400)
SEX = stats.Category("sex", ("A", "B"))
EVENT = stats.Flag("event")


def study(*queries, columns=(AGE,), **options):
    return stats.Study("a study", columns=columns, queries=queries, **options)


def run(asked, tables, **options):
    return stats.run(asked, tables, **({"key": KEY} | options))


def clear_result(asked, tables, noise=None, **options):
    """What a round would open, its integers and noise added in the clear."""
    layout = stats.Layout(asked)
    codec = layout.codec(len(tables), noise)
    slots = sum(
        codec.quantise(
            stats.site_vector(layout, table, is_noisy=noise is not None).values, noise=noise
        )[0]
        for table in tables.values()
    )
    opened = codec.dequantise(slots, num_addends=len(tables))
    return stats.result_of(
        layout, opened, codec=codec, noise=noise, sites=sorted(tables), **options
    )
