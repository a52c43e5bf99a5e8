"""Studies between folders, as their parties run them."""

import csv
import json

import dealt_parties
import numpy as np
import pytest
import veilsum as vs
from dealt_parties import CONTRIBUTORS, HOLDERS, deal_options, done, refused
from stats_cases import AGE, BMI, KEY, PROGRESS, SEX, diabetes, split, study
from validation_rules import rule
from veilsum import stats
from veilsum.cli.table_file import read_table
from veilsum.stats import Count, Covariance, Histogram, Mean, Variance

ASKED = study(
    *(Count(), Mean("age"), Variance("age"), Covariance("age", "bmi")),
    Histogram("age", bins=[0, 40, 50, 60, 100]),
    columns=(AGE, BMI, SEX),
    by="sex",
)


def write_table(path, table):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


def dealt_for(folder, name, *options, trust="authority", asked=ASKED):
    """A federation for the study, and the folders of all its parties."""
    out = folder / name
    stats.save_study(asked, folder / f"{name}.json")
    given = [str(option) for option in deal_options(folder, trust)]
    for option in ("--dim", "--clip"):
        at = given.index(option)
        del given[at : at + 2]
    dealt = done(
        *(*given, "--study", folder / f"{name}.json", "--out", out, "--yes"),
        *("--passphrase-dir", folder / f"{name}-passphrases", *options),
    )
    for mark in folder.glob("*/*.joined-*"):
        mark.unlink()  # All federations of the tests have one key.
    openers = HOLDERS if trust == "threshold" else HOLDERS[:1]
    for party in (*CONTRIBUTORS, *openers):
        joined = dealt_parties.join_options(
            folder, out, party, dealt["hash"], share=dealt["secret_files"].get(party)
        )
        done(*joined, "--out", folder / f"{name}-parties" / party)
    return openers


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stats")
    with pytest.MonkeyPatch.context() as patch:
        dealt_parties.quick(patch, folder)
        dealt_parties.enrol_all(folder)
        tables = dict(zip(CONTRIBUTORS, split(diabetes()).values(), strict=True))
        for name, table in tables.items():
            write_table(folder / f"{name}.csv", table)
        yield folder, tables


def of_server(folder, name):
    return (
        *("--federation", folder / name / "federation.veil"),
        *("--dealer", folder / "dealer" / "dealer.enrolment"),
        *("--identity", folder / "aggregator" / "aggregator.identity"),
    )


def answer(folder, name, party, round_folder, *options):
    return (
        *("stats", "answer", round_folder, "--party", folder / f"{name}-parties" / party),
        *options,
    )


def with_table(folder, party):
    return ("--table", folder / f"{party}.csv", "--id", "id")


def asked_for(folder, name, out, *options):
    """The round is announced."""
    plan = ("stats", "plan", folder / f"{name}.json", "--out", out)
    done(*plan, *of_server(folder, name), *options)


def played(folder, name, openers, out):
    """A whole round, party by party; the result."""
    asked_for(folder, name, out)
    opening = ("stats", "open", out, *of_server(folder, name))
    assert done(*opening)["waiting_for"] == list(CONTRIBUTORS)
    for party in CONTRIBUTORS:
        found = done(*answer(folder, name, party, out, *with_table(folder, party)))
        assert found["records"]["num_used"] == found["records"]["num_records"] > 50
    while (found := done(*opening))["result"] is None:
        assert found["refused"] == []
        for party in openers:
            done(*answer(folder, name, party, out))
    return found["result"], opening


@pytest.fixture(scope="module")
def first(setup):
    """A federation under an authority, and a round of it that all answered: (holder, result)."""
    folder, _ = setup
    openers = dealt_for(folder, "plain")
    result, opening = played(folder, "plain", openers, folder / "first")
    assert done(*opening)["result"] == result  # Again, from what is kept.
    return openers[0], result


def test_a_study_between_folders_finds_what_one_process_finds(setup, first):
    assert first[1] == json.loads(stats.run(ASKED, setup[1], key=KEY).to_json())


@pytest.mark.slow
def test_holders_of_shares_open_a_study_between_folders(setup, first):
    folder, _ = setup
    openers = dealt_for(folder, "shared", trust="threshold")
    result, _ = played(folder, "shared", openers, folder / "shared-round")
    assert result == first[1]


@pytest.mark.slow
def test_noise_is_charged_in_each_party_and_a_spent_budget_sends_nothing(setup):
    folder, _ = setup
    openers = dealt_for(folder, "noisy", "--epsilon", "2", "--rounds", "1")
    result, _ = played(folder, "noisy", openers, folder / "noisy-round")
    assert result["epsilon"] == pytest.approx(2, abs=1e-6)
    assert result["epsilon_honest_server"] < 2
    again = folder / "noisy-again"
    asked_for(folder, "noisy", again, "--after", folder / "noisy-round")
    told = refused(*answer(folder, "noisy", "ann", again, "--table", "nowhere.csv", "--id", "id"))
    assert "budget" in told  # Before the table is looked for.
    assert not (again / "contributions" / "ann.veil").exists()


@rule("ST14")
def test_a_site_remembers_what_it_answered(setup, first):
    folder, tables = setup
    second = folder / "second"
    asked_for(folder, "plain", second, "--after", folder / "first")
    less = {name: values[1:] for name, values in tables["ann"].items()}
    write_table(folder / "less.csv", less)
    told = refused(
        *answer(folder, "plain", "ann", second, "--table", folder / "less.csv", "--id", "id")
    )
    assert "by 1 of its records" in told
    answered = folder / "plain-parties" / "ann" / "answered.sqlite"
    kept = answered.read_bytes()
    answered.unlink()
    told = refused(*answer(folder, "plain", "ann", second, *with_table(folder, "ann")))
    assert "is missing" in told
    answered.write_bytes(kept)
    done(*answer(folder, "plain", "ann", second, *with_table(folder, "ann")))


def test_a_study_below_the_floor_of_a_site_is_refused_before_its_table_is_read(setup, first):
    folder, _ = setup
    out = folder / "below"
    asked_for(folder, "plain", out, "--after", folder / "first")
    kept = (folder / "plain-parties" / "ann" / "answered.sqlite").read_bytes()
    given = ("--table", "nowhere.csv", "--id", "id", "--min-count")
    told = refused(*answer(folder, "plain", "ann", out, *given, "6"))
    assert "min_count 5, min_cell 5" in told
    assert "none below 6" in told
    assert not (out / "contributions" / "ann.veil").exists()
    assert (folder / "plain-parties" / "ann" / "answered.sqlite").read_bytes() == kept
    done(*answer(folder, "plain", "ann", out, *with_table(folder, "ann"), "--min-count", "5"))


def test_the_same_study_is_not_opened_for_fewer_sites(setup, first):
    """The attack: the sum of three sites less that of two is one site's."""
    folder, _ = setup
    second = folder / "only-two"
    asked_for(folder, "plain", second, "--after", folder / "first")
    for party in CONTRIBUTORS[:2]:
        done(*answer(folder, "plain", party, second, *with_table(folder, party)))
    found = done("stats", "open", second, *of_server(folder, "plain"), "--close")
    assert found["waiting_for"] == [first[0]]
    told = refused(*answer(folder, "plain", first[0], second))
    assert "model" in told


@rule("ST15")
def test_messages_of_others_are_refused_and_told(setup, first):
    folder, _ = setup
    out = folder / "forged-round"
    asked_for(folder, "plain", out, "--after", folder / "first")
    (out / "contributions" / "ann.veil").write_bytes(b"not a contribution")
    found = done("stats", "open", out, *of_server(folder, "plain"))
    assert found["waiting_for"] == list(CONTRIBUTORS)
    assert len(found["refused"]) == 1
    other = study(Mean("bmi"), columns=(BMI,))
    (out / "study.json").write_bytes(stats.study_to_bytes(other))
    told = refused(*answer(folder, "plain", "bob", out, *with_table(folder, "bob")))
    assert "study" in told
    assert "not the study" in refused("stats", "open", out, *of_server(folder, "plain"))


def test_a_plan_shows_what_a_study_costs(setup, tmp_path):
    file = tmp_path / "study.json"
    stats.save_study(study(Mean("progress"), columns=(PROGRESS,)), file)
    options = ("--sites", "3", "--records", "300", "--epsilon", "1")
    found = done("stats", "plan", file, *options)
    assert found["epsilon"] == pytest.approx(1, abs=1e-6)
    assert found["expected"][0]["noise"] > 0
    assert "mean" in dealt_parties.veilsum("stats", "plan", file, *options).stdout
    assert "--records" in refused("stats", "plan", file)
    assert "--identity" in refused("stats", "plan", file, "--out", tmp_path / "round")
    assert "forecast" in refused("stats", "plan", file, "--out", tmp_path / "round", *options)
    told = refused(*deal_options(*setup[:1]), "--study", file, "--out", tmp_path / "x", "--yes",
                   "--passphrase-dir", tmp_path / "y")  # fmt: skip
    assert "--dim is for models" in told


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty"),
        ("id,age\n1,50,3\n", "record 1 has 3 fields"),
        ("id,age,age\n1,50,3\n", "2 columns named 'age'"),
        ("id\n1\n", "0 columns named 'age'"),
        ('id,age\n"1,50\n', "no CSV"),
        ("id,age\n1,old\n", "no numbers"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, error):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises((vs.MalformedDataError, vs.InvalidArgumentError), match=error):
        read_table(tmp_path / "table.csv", study(Mean("age")), "id")


def test_a_table_has_missing_values_and_flags(tmp_path):
    asked = stats.Study(
        "x",
        columns=[AGE, SEX, stats.Flag("well")],
        queries=[Mean("age"), stats.KaplanMeier("age", "well", [50])],
        by="sex",
    )
    text = "\ufeffid,age,sex,well\na,50,A,yes\nb,,B,0\n\nc,60.5,NA,True\n"
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    found = read_table(tmp_path / "table.csv", asked, "id")
    assert found["id"].tolist() == ["a", "b", "c"]
    assert found["sex"].tolist() == ["A", "B", None]
    np.testing.assert_array_equal(found["age"], [50, np.nan, 60.5])
    np.testing.assert_array_equal(found["well"], [1, 0, 1])
