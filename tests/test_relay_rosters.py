"""Who may add for the aggregator: relays of a federation."""

import dataclasses
import json

import dealt_parties
import protocol_parties as parties
import pytest
import veilsum as vs
from dealt_parties import CONTRIBUTORS, done, enrol_all, look, quick, refused
from protocol_parties import NAMES, TRUSTS
from validation_rules import rule
from veilsum.identity import Identity
from veilsum.secure_sum import Federation

RELAYS = ("west", "east")


def federation(trust="authority", **changes):
    settings = {"relays": parties.roster(*RELAYS), "scheme": "masked"}
    return parties.federation(trust, **(settings | changes))


@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("weight_bits", [0, 1])
def test_an_agreement_with_relays_is_written_and_read(trust, weight_bits):
    codec = dataclasses.replace(parties.CODEC, value_bits=30, weight_bits=weight_bits)
    agreed = federation(trust, codec=codec)
    data = agreed.to_bytes()
    assert data[5] == 6 + weight_bits
    assert Federation.from_bytes(data) == agreed
    assert [party.name for party in agreed.relays] == sorted(RELAYS)
    assert agreed.relay("west") == parties.identity("west").enrol()
    assert agreed.relay("ada") is None
    assert "2 relays" in repr(agreed)
    without = dataclasses.replace(agreed, relays=())
    assert without.to_bytes()[5] == 4 + weight_bits
    assert without.hash != agreed.hash
    assert Federation.of(agreed.agreement, agreed.key) == agreed


def test_relays_out_of_order_or_none_are_no_message():
    agreed = federation()
    data, east, west = agreed.to_bytes(), *(party.unframed() for party in agreed.relays)
    assert data.count(east + west) == 1
    with pytest.raises(vs.MalformedDataError, match="order of its roster"):
        Federation.from_bytes(data.replace(east + west, west + east))
    two = (2).to_bytes(4, "little") + east + west
    assert data.count(two) == 1
    none = data.replace(two, bytes(4))
    none = none[:8] + (len(none) - 16).to_bytes(8, "little") + none[16:]
    with pytest.raises(vs.MalformedDataError, match="at least 1"):
        Federation.from_bytes(none)


@rule("FD15")
@pytest.mark.parametrize("trust", TRUSTS)
def test_a_relay_is_nobody_else(trust):
    others = {"contributors": NAMES[1], "holders": "holder-1", "the aggregator": "aggregator"}
    if trust == "contributors":
        del others["holders"]
    for where, name in others.items():
        same_name = Identity.generate(name).enrol()
        same_key = dataclasses.replace(parties.identity(name).enrol(), name="west")
        for wrong, what in ((same_name, "the name"), (same_key, "the signing key of")):
            with pytest.raises(
                vs.InvalidArgumentError, match=f"has {what} '{name}', who is .*{where}"
            ):
                federation(trust, relays=(wrong, parties.identity("east").enrol()))
    twice = parties.roster("west", "west")
    with pytest.raises(vs.InvalidArgumentError, match="enrolled twice: 'west'"):
        federation(trust, relays=twice)
    other = dataclasses.replace(twice[0], name="east")
    with pytest.raises(vs.InvalidArgumentError, match="relays: a signing key is enrolled twice"):
        federation(trust, relays=(twice[0], other))


@rule("FD16")
@pytest.mark.parametrize("scheme", ["packed", "auto"])
def test_a_scheme_without_a_part_to_be_added_has_no_relays(scheme):
    """``auto`` takes packed for so short a vector."""
    key = {"toy": (5, 4)}
    assert parties.federation("threshold", scheme=scheme, **key).scheme == "packed"
    with pytest.raises(
        vs.InvalidArgumentError, match="there are relays, and the scheme is 'packed'"
    ):
        federation("threshold", scheme=scheme)


@pytest.mark.parametrize("wrong", [None, "west", 3, {"west"}, ["west"]])
def test_a_roster_of_relays_is_a_list_of_enrolments(wrong):
    with pytest.raises(TypeError, match="relays"):
        federation(relays=wrong)


def test_relays_are_dealt_and_shown(tmp_path, monkeypatch):
    quick(monkeypatch, tmp_path)
    enrol_all(tmp_path)
    (tmp_path / "relays").mkdir()
    for name in RELAYS:
        done("enrol", name, "--out", tmp_path / name)
        file = tmp_path / name / f"{name}.enrolment"
        file.rename(tmp_path / "relays" / file.name)
    options = ("--relays", tmp_path / "relays")
    assert "scheme is 'packed'" in refused(
        *dealt_parties.deal_options(tmp_path),
        *("--out", tmp_path / "no", "--passphrase-dir", tmp_path / "none", "--yes", *options),
    )
    out = tmp_path / "dealt"
    dealt = dealt_parties.deal(tmp_path, out, "--scheme", "masked", *options)
    assert [relay["name"] for relay in dealt["relays"]] == sorted(RELAYS)
    seen = look(out / "federation.veil")
    assert seen["relays"] == dealt["relays"]
    assert [one["name"] for one in seen["contributors"]] == list(CONTRIBUTORS)
    json.dumps(seen)
