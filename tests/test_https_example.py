"""The server of examples/12_https_round.py, asked by strangers."""

import http.client
import importlib
import socket
import ssl
import sys
from pathlib import Path

import pytest
import veilsum as vs
from shared_keys import shared_key
from veilsum.secure_sum import Federation, Identity, simulated_parties
from veilsum.secure_sum.simulated_parties import SimulatedParties

sys.path.append(str(Path(__file__).resolve().parent.parent / "examples"))
example = importlib.import_module("12_https_round")


def set_up(folder, number):
    """Parties, and what makes a server of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
        parties = SimulatedParties.make(folder / "parties", number, dim=example.DIM)
    opener = vs.MachineKey.load(parties.key_file)
    signed = parties.federation_file.read_bytes()
    federation = Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))
    server = Identity.load(parties.identity_file, passphrase=opener)
    return parties, lambda: example.Round(federation, server, folder / "store")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A round that is served, its parties, and where."""
    folder = tmp_path_factory.mktemp("https")
    parties, server = set_up(folder, 3)
    about = server()
    example.write_certificate(folder)
    with example.served(about, folder) as url:
        yield about, parties, url, folder / "server.crt"


def ask(place, method, path, body=None, headers=None):
    _, _, url, certificate = place
    context = ssl.create_default_context(cafile=str(certificate))
    host = url.removeprefix("https://")
    connection = http.client.HTTPSConnection(host, context=context, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/contribution", "/opening"])
@pytest.mark.parametrize("body", [b"", b"garbage", b"veil" + bytes(100)])
def test_garbage_is_refused_by_name(place, path, body):
    status, said = ask(place, "POST", path, body)
    assert status == 400
    assert b"Error: " in said
    assert place[0].result is None


def test_what_is_too_long_is_not_read(place):
    length = {"Content-Length": str(example.MOST_BYTES + 1)}
    assert ask(place, "POST", "/contribution", b"", length)[0] == 413
    for wrong in ("-1", "9" * 5000):
        assert ask(place, "POST", "/contribution", b"", {"Content-Length": wrong})[0] == 413


def test_whoever_connects_and_says_nothing_stops_nobody_else(place):
    host, port = place[2].removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))):
        assert ask(place, "GET", "/done")[0] == 204


def test_other_paths_are_not_found(place):
    assert ask(place, "GET", "/")[0] == 404
    assert ask(place, "POST", "/elsewhere", b"x")[0] == 404
    assert ask(place, "GET", "/request/party-0")[0] == 204


def test_a_server_without_the_certificate_is_not_spoken_to(place):
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(
        place[2].removeprefix("https://"), context=context, timeout=20
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/done")
    connection.close()


def test_strangers_are_no_contributors(place):
    status, said = ask(place, "GET", "/announcement/nobody")
    assert status == 404
    assert b"nobody" not in said


def test_the_round_ends_after_all_of_that(place):
    about, parties, url, certificate = place
    opener = vs.MachineKey.load(parties.key_file)
    sites = [example.Party(parties.party(i), opener, url, certificate) for i in range(3)]
    changes = [example.np.full(example.DIM, 0.25)] * 3
    with example.ThreadPoolExecutor(3) as pool:
        list(pool.map(example.Party.run, sites, changes))
    assert about.result is not None
    assert example.np.allclose(about.result.sum.mean(), 0.25, atol=1e-4)


def test_a_server_goes_on_with_its_store_wherever_it_dies(tmp_path):
    """Made anew after each message: also after the last opening, and before the sum."""
    parties, server = set_up(tmp_path, 2)
    opener = vs.MachineKey.load(parties.key_file)
    folders = [example.PartyFolder(parties.party(i)) for i in range(2)]
    change = example.np.full(example.DIM, 0.25)
    model = example.hash_model(example.MODEL)
    for folder in folders:
        about = server()
        contributor = folder.contributor(passphrase=opener)
        announced = about.announcement(folder.enrolment.name)
        about.receive(contributor.contribute(announced, change, model_hash=model))
        about.close()
    for _ in range(10):
        for folder in folders:
            about = server()
            request = about.request(folder.enrolment.name)
            if request is not None:
                about.answer(folder.key_holder(passphrase=opener).open(request))
            result = about.result
            about.close()
            if result is not None:
                assert example.np.allclose(result.sum.mean(), 0.25, atol=1e-4)
                return
    raise AssertionError("there is no sum")
