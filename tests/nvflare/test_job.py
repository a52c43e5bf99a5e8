"""The example's job in NVFlare's simulator: four sites, of which three open what all have sent."""

import numpy as np
import pytest
import train
from deal import SITES
from digits_jobs import EXAMPLE, files_that_hold, in_process_model, run_job
from veilsum.secure_sum import Federation, KeyShare, PartyFolder, Transcript, deal_shares

TOLD_TO_THE_SITE = "much of an update was", "clipped"
PEER = "/__headers__/__peer_props__/__"
# What a site's process sends: its part of a round first, then what NVFlare sends by itself.
SENT_KEYS = [
    {
        "/DXO/data/veilsum_contribution",
        "/DXO/kind",
        "/__headers__/__audit_event_id__",
        "/__headers__/__content_type__",
        "/__headers__/__cookie_jar__/__task_id__",
        "/__headers__/__cookie_jar__/__workflow__",
        "/__headers__/__cookie_jar__/contribution_round",
        "/__headers__/__msg_root_id__",
        "/__headers__/__peer_ctx__",
        "/__headers__/__task_id__",
        "/__headers__/__task_name__",
        "/__headers__/current_round",
    },
    {"/__headers__/__rc__", "/__headers__/__peer_ctx__", "/veilsum_opening"},
    {"/__headers__/__rc__", "/__headers__/__peer_ctx__"},  # a holder is there
    {"/__headers__/__peer_ctx__", "/__headers__/last_task_id"},  # asks for a task
    {
        "/__headers__/__task_id__",
        "/__headers__/__topic__",
        *(
            f"{PEER}{name}__"
            for name in (
                "client_name",
                "current_job_id",
                "fqsn",
                "identity_name",
                "is_leaf",
                "run_num",
            )
        ),
    },
    # Arrays, such as a contribution's, are fetched in pieces.
    {
        "/cancel_capable",
        "/confirm",
        "/confirm_capable",
        "/confirm_expected",
        "/confirm_nonce",
        "/data[]",
        "/ref_id",
        "/state/count",
        "/state/start",
        "/status",
    },
]
CONTEXT = {
    "__client_name__",
    "__current_job_id__",
    "__fqsn__",
    "__identity_name__",
    "__is_leaf__",
    "__run_num__",
}


def parties(folder):
    passphrase = (folder / "passphrase").read_text().strip()
    return [(PartyFolder(folder / "parties" / site), passphrase) for site in SITES]


@pytest.fixture
def shared_out(secret_key):
    """What the example's dealer makes of the key."""
    return deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)


def test_job_ends_with_the_model_of_the_loop_in_one_process(finished_job, shared_out):
    expected = in_process_model(shared_out)
    assert finished_job.model.dtype == expected.dtype
    assert np.array_equal(finished_job.model, expected)
    samples, labels = train.digits()
    found = (samples[1500:] @ finished_job.model).argmax(axis=1)
    assert np.mean(found == labels[1500:]) > 0.8


def test_sites_send_allowed_keys_and_nothing_else(finished_job):
    sent = [message for message in finished_job.messages if message["site"]]
    assert {message["site"] for message in sent} == set(SITES)
    contributions = [m for m in sent if "/DXO/data/veilsum_contribution" in m["keys"]]
    assert len(contributions) == 3 * len(SITES)
    assert all(set(message["keys"]) == SENT_KEYS[0] for message in contributions)
    for message in sent:
        assert any(set(message["keys"]) <= allowed for allowed in SENT_KEYS), message
        assert set(message["context"]) <= CONTEXT


def test_server_has_no_secret_and_no_update(finished_job, secret_key):
    folder = finished_job.folder
    passphrase = (folder / "passphrase").read_text().strip().encode()
    updates = [train.trained(np.zeros((65, 10), np.float32), *train.share(site)) for site in SITES]
    secrets = [passphrase, *(array[20:40].tobytes() for array in updates)]
    for number in (secret_key.p, secret_key.q):
        size = (number.bit_length() + 7) // 8
        secrets += [number.to_bytes(size, "big"), number.to_bytes(size, "little")]
        secrets += [str(number).encode(), f"{number:x}".encode()]
    for party, words in parties(folder):
        secrets.append(party.identity(passphrase=words)._key.private_bytes_raw())
        share = KeyShare.load(party.path / "party.share", passphrase=words)
        secrets.append(share._native.to_secret_bytes()[-64:])
        secrets.append((party.path / "party.share").read_bytes()[-64:])
    for secret in secrets:
        assert files_that_hold(finished_job.server_workspace, secret) == []
        assert files_that_hold(folder / "rounds", secret) == []


def test_search_for_secrets_finds_what_is_there(finished_job):
    passphrase = (finished_job.folder / "passphrase").read_text().strip().encode()
    assert files_that_hold(finished_job.folder, passphrase) == [finished_job.folder / "passphrase"]
    model = finished_job.model[20:40].tobytes()
    assert len(files_that_hold(finished_job.server_workspace, model)) == 1


def test_job_carries_no_code_of_veilsum(finished_job):
    custom = finished_job.folder.glob("workspace/**/custom/**/*.py")
    assert {path.name for path in custom} == {"train.py"}


def test_transcripts_stay_and_ciphertexts_go(finished_job):
    folder = finished_job.folder
    assert sorted(path.name for path in (folder / "rounds").iterdir()) == [
        *(f"round-{number:06d}.transcript" for number in (1, 2, 3)),
        "run.json",
    ]
    pin = bytes.fromhex((folder / "federation.hash").read_text())
    signed = (folder / "federation.veil").read_bytes()
    federation = Federation.from_signed(signed, expected_hash=pin)
    for path in (folder / "rounds").glob("*.transcript"):
        transcript = Transcript.from_bytes(path.read_bytes())
        transcript.verify(federation)
        assert [header.contributor for header in transcript.headers] == SITES


def test_site_that_fails_does_not_stop_the_round(dealt, tmp_path, shared_out):
    text = (EXAMPLE / "train.py").read_text()
    begin = "        weights = trained("
    assert text.count(begin) == 1
    fails = '        if flare.get_site_name() == "site-3" and received.current_round == 1:\n'
    fails += '            raise RuntimeError("out of memory")\n'
    # As a contributor tells its site that much of an update was clipped.
    tells = '        import logging; logger = "veilsum.secure_sum.contributor"\n'
    tells += f'        logging.getLogger(logger).info("{TOLD_TO_THE_SITE[0]} %s", "clipped")\n'
    failing = tmp_path / "train.py"
    failing.write_text(text.replace(begin, tells + fails + begin))
    job = run_job(dealt, options=[failing])
    assert np.array_equal(job.model, in_process_model(shared_out, fails_from={"site-3": 2}))
    contributions = [m for m in job.messages if "/DXO/data/veilsum_contribution" in m["keys"]]
    sites = [message["site"] for message in contributions]
    assert [sites.count(site) for site in SITES] == [3, 3, 1, 3]
    assert "left out of this round: ProtocolError: training ended with" in job.log
    told = files_that_hold(job.folder / "workspace", " ".join(TOLD_TO_THE_SITE).encode())
    places = {path.relative_to(job.folder / "workspace" / "digits").parts[0] for path in told}
    assert places == set(SITES)


@pytest.mark.slow
def test_second_job_goes_on_with_the_run(finished_job):
    """Last, for it uses the same folder: the rounds get numbers that nobody has answered yet."""
    before = finished_job.model
    job = run_job(finished_job.folder)
    assert not np.array_equal(before, np.zeros_like(before))
    assert np.array_equal(job.model, before)  # The same three rounds from the same start.
    assert len(list((job.folder / "rounds").glob("*.transcript"))) == 6
