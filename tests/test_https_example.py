"""The server of examples/12_https_round.py, asked by strangers."""

import http.client
import importlib
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


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A round that is served, its parties, and where."""
    folder = tmp_path_factory.mktemp("https")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
        parties = SimulatedParties.make(folder / "parties", 3, dim=example.DIM)
    opener = vs.MachineKey.load(parties.key_file)
    signed = parties.federation_file.read_bytes()
    federation = Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))
    server = Identity.load(parties.identity_file, passphrase=opener)
    about = example.Round(federation, server, folder / "store")
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


@pytest.mark.parametrize("path", ["/contribution", "/opening/party-0"])
@pytest.mark.parametrize("body", [b"", b"garbage", b"veil" + bytes(100)])
def test_garbage_is_refused_by_name(place, path, body):
    status, said = ask(place, "POST", path, body)
    assert status == 400
    assert b"Error: " in said
    assert place[0].result is None


def test_what_is_too_long_is_not_read(place):
    length = {"Content-Length": str(example.MOST_BYTES + 1)}
    assert ask(place, "POST", "/contribution", b"", length)[0] == 413
    assert ask(place, "POST", "/contribution", b"", {"Content-Length": "-1"})[0] == 413


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
    threads = [
        example.threading.Thread(target=site.run, args=(example.np.full(example.DIM, 0.25),))
        for site in sites
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert about.result is not None
    assert example.np.allclose(about.result.sum.mean(), 0.25, atol=1e-4)
