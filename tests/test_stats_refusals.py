"""What a site refuses to tell without noise: about few people, alone or by a difference."""

import sqlite3

import numpy as np
import pytest
import veilsum as vs
from stats_cases import AGE, BMI, EVENT, PROGRESS, SEX, clear_result, run, study
from validation_rules import rule
from veilsum import stats
from veilsum.stats import Answered, Between, Count, Histogram, KaplanMeier, Mean, Sum


def table(ages, **others):
    ages = np.asarray(ages, float)
    return {"age": ages, "id": np.arange(len(ages)).astype(str), **others}


def answer(asked, given, answered=None):
    return stats.site_vector(
        stats.Layout(asked), given, is_noisy=False, ids="id", answered=answered
    )


@rule("ST9")
def test_a_group_of_few_is_refused():
    asked = study(Mean("age"), columns=(AGE, SEX), by="sex")
    few = table(np.full(12, 40.0), sex=np.array(["A"] * 8 + ["B"] * 4))
    with pytest.raises(vs.PolicyRefusedError, match="group 'B' has 4 records"):
        run(asked, {"one": few, "two": few})
    enough = table(np.full(13, 40.0), sex=np.array(["A"] * 8 + ["B"] * 5))
    none = table(np.full(8, 40.0), sex=np.array(["A"] * 8))
    found = clear_result(asked, {"one": enough, "two": none})
    assert found.get("mean", "age", group="B").num_records == 5


@rule("ST10")
def test_a_cell_of_few_is_refused_unless_that_is_agreed():
    few = table([10.0] * 6 + [90.0])
    with pytest.raises(vs.PolicyRefusedError, match="a cell of age has 1 records"):
        answer(study(Histogram("age", bins=2)), few)
    answer(study(Histogram("age", bins=2), min_cell=1), few)
    times = table(np.full(7, 1.0), progress=np.array([9.0] * 6 + [300]), event=np.ones(7, int))
    curve = KaplanMeier("progress", "event", [10, 400])
    with pytest.raises(vs.PolicyRefusedError, match="a cell"):
        answer(study(curve, columns=(PROGRESS, EVENT)), times)


@rule("ST12")
def test_nested_ranges_are_refused():
    """The attack: the sum over ages 30 to 41 less that over 30 to 40 is one person's."""
    given = table(np.concatenate([np.linspace(30, 39.9, 50), [40.5]]))

    def asked(high):
        return study(Sum("age"), where=[Between("age", 30, high)])

    one, other = answer(asked(40), given), answer(asked(41), given)
    scale = next(iter(stats.Layout(asked(40)).scales.values()))
    counts = other.values - one.values
    assert counts[0] / scale == 1  # Where nobody remembers, the difference is that person.

    answered = Answered.in_memory()
    answer(asked(40), given, answered)
    with pytest.raises(vs.PolicyRefusedError, match="by 1 of its records"):
        answer(asked(41), given, answered)
    answer(asked(40), given, answered)  # The same again tells nothing new.
    wide = table(np.concatenate([given["age"], np.full(5, 60.0)]))
    answer(study(Sum("age"), where=[Between("age", 50, 70)]), wide, answered)


@rule("ST11")
def test_bins_that_nearly_agree_are_refused():
    given = table(np.concatenate([np.full(20, 10.0), [30.5], np.full(20, 60.0)]))
    first = study(Histogram("age", bins=[0, 30, 100]))
    second = study(Histogram("age", bins=[0, 31, 100]))
    both = study(Histogram("age", bins=[0, 30, 100]), Histogram("age", bins=[0, 31, 100]))
    with pytest.raises(vs.PolicyRefusedError, match="differ by 1"):
        answer(both, given)
    answered = Answered.in_memory()
    answer(first, given, answered)
    with pytest.raises(vs.PolicyRefusedError, match="differ"):
        answer(second, given, answered)


def test_sums_of_first_bins_are_compared_too():
    """No single bin agrees, and yet two bins together are one of the other's but for a person."""
    ages = np.concatenate([np.full(9, 5.0), np.full(9, 15.0), [20.5], np.full(9, 60.0)])
    given = table(ages)
    answered = Answered.in_memory()
    answer(study(Histogram("age", bins=[0, 10, 20, 100])), given, answered)
    with pytest.raises(vs.PolicyRefusedError, match="by 1 of"):
        answer(study(Histogram("age", bins=[0, 21, 100])), given, answered)


def test_records_that_came_later_are_not_told_apart():
    given = table(np.full(20, 40.0))
    answered = Answered.in_memory()
    answer(study(Mean("age")), given, answered)
    with pytest.raises(vs.PolicyRefusedError, match="by 2 of"):
        answer(study(Mean("age")), table(np.full(22, 40.0)), answered)
    answer(study(Mean("age")), table(np.full(25, 40.0)), answered)


def test_missing_values_are_not_told_apart():
    given = table(np.full(20, 40.0), bmi=np.r_[np.nan, np.full(19, 30.0)])
    with pytest.raises(vs.PolicyRefusedError, match="missing='drop'"):
        answer(study(Mean("age"), Mean("bmi"), columns=(AGE, BMI), missing="skip"), given)
    answer(study(Mean("age"), Mean("bmi"), columns=(AGE, BMI)), given)


@rule("ST6")
def test_a_record_is_one_person_and_has_a_name():
    given = table(np.full(20, 40.0))
    with pytest.raises(vs.InvalidArgumentError, match="give ids"):
        stats.site_vector(
            stats.Layout(study(Mean("age"))),
            given,
            is_noisy=False,
            answered=Answered.in_memory(),
        )
    twice = given | {"id": np.array(["x"] * 2 + [str(i) for i in range(18)])}
    with pytest.raises(vs.InvalidArgumentError, match="twice"):
        answer(study(Mean("age")), twice)


@rule("ST13")
def test_answers_are_remembered_in_a_file_that_is_never_made_anew(tmp_path):
    path = tmp_path / "answered"
    with pytest.raises(vs.LedgerError):
        Answered.open(path)
    given = table(np.full(20, 40.0))
    answer(study(Mean("age")), given, Answered.create(path))
    with pytest.raises(FileExistsError):
        Answered.create(path)
    less = {name: values[1:] for name, values in given.items()}
    with pytest.raises(vs.PolicyRefusedError):
        answer(study(Mean("age")), less, Answered.open(path))
    content = path.read_bytes()
    assert b"age" not in content  # Hashes under a key, and cells.
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE answered SET num_cells = 1, cells = x'0700000000000000'")
    connection.close()
    with pytest.raises(vs.LedgerError, match="damaged"):
        answer(study(Mean("age")), given, Answered.open(path))


@rule("ST5")
def test_too_many_records_are_refused():
    given = table(np.full(20, 40.0))
    with pytest.raises(vs.InvalidArgumentError, match="max_records"):
        answer(
            study(Count(), columns=(AGE,), where=[Between("age", 0, 100)], max_records=19), given
        )


@rule("ST8")
@pytest.mark.parametrize(
    ("counts", "below"),
    [
        ({"min_count": 9}, "min_count 9, min_cell 9"),
        ({"min_count": 10, "min_cell": 1}, "study has min_cell 1, and"),
        ({"min_count": 9, "min_cell": 10}, "study has min_count 9, and"),
    ],
)
def test_a_site_has_a_floor_of_its_own(counts, below):
    """The study's numbers must both be at least the site's; with noise the ledger counts."""
    layout = stats.Layout(study(Histogram("age", bins=2), **counts))
    with pytest.raises(vs.PolicyRefusedError, match=below):
        stats.site_vector(layout, {}, is_noisy=False, min_count=10)  # No table is looked at.
    given = table(np.full(20, 40.0))
    stats.site_vector(layout, given, is_noisy=False, min_count=min(counts.values()))
    stats.site_vector(layout, given, is_noisy=True, min_count=10)


@pytest.mark.parametrize(("floor", "error"), [(0, vs.InvalidArgumentError), (2.5, TypeError)])
def test_a_floor_is_a_whole_number(floor, error):
    with pytest.raises(error, match="min_count"):
        stats.check_min_count(study(Mean("age")), floor, is_noisy=True)
