"""The server's log says which parties are not there, when that changes and not otherwise."""

import logging

from flower_world import NAMES, client_app, federation_of, grid_of, initial_record, strategy
from veilsum.integrations.flower.roll_call import RollCall


def heard(caplog):
    return [r.message for r in caplog.records if "are on line" in r.message]


def test_who_is_missing_is_told_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, "flwr.veilsum")
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    away = grid.nodes.pop(101)
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    grid.nodes[101] = away
    strategy(tmp_path).start(grid, initial_record(), num_rounds=2)
    assert heard(caplog) == [
        f"3 of 4 parties are on line; not there: {NAMES[1]}",
        "4 of 4 parties are on line; not there: nobody",
    ]


def test_of_many_that_are_missing_some_are_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "flwr.veilsum")
    many = tuple(f"p{i:02d}" for i in range(14))
    call = RollCall(federation_of(tmp_path, "authority", names=many))
    call.hear({"authority"})
    call.hear({"authority"})
    (line,) = heard(caplog)
    assert line.startswith("1 of 15 parties are on line; not there: p00, ")
    assert line.endswith("p09 and 4 more")
