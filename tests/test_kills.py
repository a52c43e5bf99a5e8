"""A federation of real processes, killed at random moments and at the worst ones, gives its sums.

Its supervisor keeps a log of all that may have left a process. At the end the log, the disks and
the results are held against each other.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from multiprocessing.connection import wait as wait_for

import killable_parties as killable
import mask_attackers as masks
import protocol_parties as parties
import pytest
import veilsum as vs
from killable_parties import AROUND_LOCKS, PASSPHRASE, PLACES, digest
from protocol_attackers import forged_request
from shared_keys import shared_key
from veilsum import keyfile
from veilsum.identity import Role
from veilsum.schemes import packing
from veilsum.secure_sum import Announcement, Chunk, FolderStore, PartyFolder, RunName, Transcript

CODEC = vs.Codec(150, clip=1.0, value_bits=24, max_addends=4)
MAX_ROUNDS = 2000
MIN_ROUNDS = 4
KILLS_A_ROUND = 6
NOISE = vs.privacy.GaussianNoise(
    epsilon=8.0,
    delta=1e-6,
    rounds=MAX_ROUNDS,
    norm_bound=2.0,
    honest_contributors=2,
    weighted=False,
)
NAMES = parties.NAMES
HOLDERS = parties.holder_names("threshold")
PARTS = {
    **dict.fromkeys(NAMES, "contributor"),
    **dict.fromkeys(HOLDERS, "holder"),
    "aggregator": "aggregator",
}
AT_A_PLACE = 0.6  # This share of processes is told to die at a place, if it comes there.
SECONDS_BETWEEN_KILLS = 0.5


def agree(scheme):
    return parties.federation(
        "threshold",
        codec=NOISE.fit(CODEC),
        noise=NOISE,
        min_contributors=2,
        chunk_size={"packed": 1, "masked": 4}[scheme],
        scheme=scheme,
    )


def set_up(folder, agreed):
    """Everybody's disk."""
    signed = agreed.signed_by(parties.identity("dealer"))
    for name, part in PARTS.items():
        if part == "aggregator":
            (folder / name).mkdir()
            (folder / name / "federation").write_bytes(agreed.to_bytes())
            continue
        PartyFolder.create(
            folder / name,
            signed,
            identity=parties.identity(name),
            passphrase=PASSPHRASE,
            expected_hash=agreed.hash,
            key=parties.key_of(agreed, name) if part == "holder" else None,
        )


class Supervisor:
    """Starts everybody, kills them, starts them again, and writes down what they say."""

    def __init__(self, folder, agreed, *, num_kills, seed, around_locks=0.0):
        self.folder, self.agreed = folder, agreed
        self.around_locks = around_locks  # This share of those that are told a place.
        self.num_kills = num_kills
        self.num_rounds = max(MIN_ROUNDS, num_kills // KILLS_A_ROUND)
        self.random = random.Random(seed)
        self.post = killable.Post(folder / "post")
        self.log = []  # (name, what, *facts)
        self.times = []  # Of each line of the log.
        self.began = time.monotonic()
        self.deaths = 0
        self.running = {}
        self.ready = set()
        self.said_once = {}
        # A process that has imported all and done nothing forks each party, which starts at once.
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["killable_parties"])

    def run(self, limit_seconds):
        next_kill = 0.0
        try:
            for name in PARTS:
                self.start(name)
            while self.running:
                self.listen()
                now = time.monotonic() - self.began
                assert now < limit_seconds, "the run does not finish"
                if self.num_kills <= self.deaths and self.is_last_round():
                    self.post.put("enough", b"")
                elif now > next_kill and self.may_kill() and self.kill_somebody():
                    # The more of them are to die around locks, the fewer do at any moment.
                    rate = (1 - self.around_locks) / SECONDS_BETWEEN_KILLS
                    next_kill = now + self.random.expovariate(rate)
        finally:
            for process, _ in self.running.values():
                process.kill()
                process.join()

    def num_around_locks(self):
        """How many died at a place around the locks of a round."""
        places = {place for places in AROUND_LOCKS.values() for place in places}
        return sum(words[1] == "dies" and words[2] in places for words in self.log)

    def is_last_round(self):
        return self.post.num_results() >= self.num_rounds - 1

    def may_kill(self):
        """Every round has its share of deaths, and time to finish however slow the machine is."""
        so_far = self.num_kills * (self.post.num_results() + 1) / self.num_rounds
        return self.deaths < so_far

    def start(self, name):
        death = None
        places, most = PLACES[PARTS[name]], 5
        if PARTS[name] in AROUND_LOCKS and self.random.random() < self.around_locks:
            places, most = AROUND_LOCKS[PARTS[name]], 2
        if self.may_kill() and self.random.random() < (AT_A_PLACE if most > 2 else 1):
            death = (self.random.choice(places), self.random.randint(1, most))
        ear, mouth = self.context.Pipe(duplex=False)
        arguments = (PARTS[name], name, self.folder, mouth, death)
        process = self.context.Process(target=killable.live, args=arguments, daemon=True)
        process.start()
        mouth.close()
        self.running[name] = (process, ear)
        self.write(name, "started", death)

    def write(self, name, *words):
        self.log.append((name, *words))
        self.times.append(time.monotonic() - self.began)

    def listen(self):
        """Take what was said, and look who is dead."""
        for name, (process, ear) in list(self.running.items()):
            is_dead = not process.is_alive()
            self.hear(name, ear)
            if not is_dead:
                continue
            process.join()
            ear.close()
            del self.running[name]
            self.ready.discard(name)
            self.write(name, "ended", process.exitcode)
            if process.exitcode == 0 and self.post.has("end"):
                continue
            assert process.exitcode == -9, f"{name} failed"
            self.deaths += 1
            self.start(name)
        wait_for([ear for _, ear in self.running.values()], timeout=0.02)

    def hear(self, name, ear):
        while ear.poll():
            try:
                said = json.loads(ear.recv_bytes())
            except EOFError:
                return
            self.write(name, *said)
            if said[0] == "ready":
                self.ready.add(name)
            if said[0] in ("locked", "answered", "handed out"):  # The verdict asks again.
                word, number, what, *_ = said
                first = self.said_once.setdefault((name, word, number), what)
                assert what == first, f"{name} {word} two different things in round {number}"
            if said[0] in ("locked", "answered") and self.random.random() < 0.3:
                self.tempt(name, said[1])

    def kill_somebody(self):
        # Who waits for its chosen place around a lock is left to come there.
        spared = AROUND_LOCKS if self.random.random() < self.around_locks else ()
        part = self.random.choice([part for part in PLACES if part not in spared])
        ready = sorted(name for name in self.ready if PARTS[name] == part)
        if not ready:
            return False
        name = self.random.choice(ready)
        self.ready.discard(name)
        self.write(name, "killed")
        self.running[name][0].kill()
        return True

    def tempt(self, holder, number):
        """Ask a holder who has answered for another set of the round, as a thief would."""
        there = self.post.names(f"contributions/{number:04d}-*")
        some = self.random.sample(there, self.random.randint(2, len(there)))
        messages = [self.post.get(f"contributions/{name}") for name in some]
        announced = announced_in(self.post, number)
        chunk = self.random.randrange(self.agreed.num_opened)
        request = forged_request(announced, messages, (chunk,), holder=holder)
        self.post.put(f"requests/{holder}/{number:04d}-rogue-{digest(request)}", request)


class Verdict:
    """What must hold, of the log and of what is on the disks."""

    def __init__(self, supervisor):
        self.folder, self.agreed = supervisor.folder, supervisor.agreed
        self.post, self.log = supervisor.post, supervisor.log
        self.num_rounds = self.post.num_results()

    def said(self, what):
        return [(name, *facts) for name, word, *facts in self.log if word == what]

    def check(self):
        assert self.num_rounds >= MIN_ROUNDS
        self.check_holders()
        self.check_contributors()
        for number in range(1, self.num_rounds + 1):
            self.check_round(number)

    def check_holders(self):
        run = RunName.of(self.agreed)
        ledgers = {
            name: PartyFolder(self.folder / name).rounds(Role.HOLDER).answered(run)
            for name in HOLDERS
        }
        opened = {}
        for word in ("locked", "answered"):
            for name, number, set_hash, *_ in self.said(word):
                first = opened.setdefault(number, set_hash)
                assert set_hash == first, f"{name} {word} two sets of round {number}"
                answer = announced_in(self.post, number).round_id + bytes.fromhex(set_hash)
                assert ledgers[name].get(number) == answer, f"{name} did not record round {number}"
        self.check_locks()

    def check_locks(self):
        """Nothing was exponentiated for a set before enough holders had locked it."""
        locked = {}
        for name, _, set_hash, round_id, when in self.said("locked"):
            first = locked.setdefault((round_id, set_hash), {})
            first[name] = min(when, first.get(name, when))
        computed = self.said("computes")
        assert len(computed) > 0
        for name, round_id, set_hash, when in computed:
            before = [at for at in locked.get((round_id, set_hash), {}).values() if at < when]
            assert len(before) >= self.agreed.num_locks, f"{name} computed too early"

    def check_contributors(self):
        made = {}
        for name, number, message in self.said("handed out"):
            first = made.setdefault((name, number), message)
            assert message == first, f"{name} made two contributions to round {number}"
        for name in NAMES:
            party = PartyFolder(self.folder / name)
            ledger = party.privacy_ledger
            there = [n + 1 for n in range(self.num_rounds + 1) if self.post.has(f"rounds/{n + 1}")]
            ids = [announced_in(self.post, n).round_id for n in there]
            charged = [number for number, name in enumerate(ids, 1) if ledger.has(name)]
            assert ledger.spent.num_contributions == len(charged), f"{name} was charged twice"
            recorded = party.rounds(Role.CONTRIBUTOR).answered(RunName.of(self.agreed))
            left = {number for who, number in made if who == name}
            assert left <= set(recorded) <= set(charged), f"{name} sent what it did not record"

    def check_round(self, number):
        results = {tuple(facts) for _, n, *facts in self.finished() if n == number}
        assert len(results) == 1, f"round {number} has several results"
        ((contributors, transcript_hash),) = results
        transcript = self.post.get(f"transcripts/{number:04d}")
        assert digest(transcript) == transcript_hash
        Transcript.from_bytes(transcript).verify(self.agreed)

        result = json.loads(self.post.get(f"results/{number:04d}"))
        assert tuple(result["contributors"]) == contributors
        accepted = {who for _, n, who in self.said("accepted") if n == number}
        assert accepted <= set(contributors), f"round {number} lost a contribution"
        expected = self.plain_sum(number, contributors)
        assert result["values"] == expected.values.tolist(), f"round {number} is another sum"

        store = FolderStore(self.folder / "aggregator" / f"round-{number}")
        assert len(store.names("contribution")) == len(contributors)
        store.close()

    def finished(self):
        return [
            (name, n, tuple(who), transcript) for name, n, who, transcript in self.said("finished")
        ]

    def plain_sum(self, number, contributors):
        """The sum of these contributions, each opened alone by one who has the whole key."""
        codec, key, slots = self.agreed.codec, self.agreed.public_key, 0
        for name in contributors:
            message = self.post.get(f"contributions/{number:04d}-{name}")
            parts = [
                vs.Ciphertexts.from_bytes(Chunk.from_bytes(frame).body, key)
                for frame in parties.frames_of(message)[1 : 1 + self.agreed.num_opened]
            ]
            opened = shared_key().secret.decrypt_plaintexts(vs.Ciphertexts.concatenate(parts))
            if self.agreed.scheme == "masked":
                secret = self.agreed.bodies.masking.unpack(opened)
                blocks = masks.blocks_of(self.agreed, message)
                announced = announced_in(self.post, number)
                slots = slots + masks.read_with(self.agreed, announced, blocks, secret)
            else:
                slots = slots + packing.unpack(codec, opened, modulus=key.n)
        return codec.dequantise(slots, num_addends=len(contributors))


def announced_in(post, number):
    given = Announcement.from_bytes(post.get(f"rounds/{number}"))
    parties.listed(given.invited)
    return given.descriptor


def run_and_kill(
    folder, monkeypatch, *, num_kills, limit_seconds, around_locks=0.0, scheme="packed"
):
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)
    # Or the process that forks the others finds nothing to import beforehand.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    seed = int(os.environ.get("VEILSUM_TEST_SEED", time.time_ns() % 2**32))
    agreed = agree(scheme)
    assert agreed.num_chunks >= 3
    set_up(folder, agreed)
    options = {"num_kills": num_kills, "seed": seed, "around_locks": around_locks}
    supervisor = Supervisor(folder, agreed, **options)
    began = time.monotonic()
    try:
        supervisor.run(limit_seconds)
        Verdict(supervisor).check()
    except BaseException:
        print(f"VEILSUM_TEST_SEED={seed} chooses the same parties and places, not the same times")
        for seconds, line in zip(supervisor.times, supervisor.log, strict=True):
            print(f"{seconds:8.3f}", *line)
        raise
    places = [place for _, place in Verdict(supervisor).said("dies")]
    print(
        f"{supervisor.deaths} kills, {len(places)} of them at chosen places "
        f"({', '.join(sorted(set(places)))}), {supervisor.num_around_locks()} around locks; "
        f"{supervisor.post.num_results()} rounds, "
        f"{time.monotonic() - began:.0f} s"
    )
    return supervisor


@pytest.mark.parametrize("scheme", [pytest.param("packed", marks=pytest.mark.slow), "masked"])
def test_a_dozen_kills_lose_nothing_and_open_nothing_twice(scheme, tmp_path, monkeypatch):
    options = {"limit_seconds": 300, "scheme": scheme}
    supervisor = run_and_kill(tmp_path, monkeypatch, num_kills=12, **options)
    assert supervisor.deaths >= 12


@pytest.mark.slow
def test_three_hundred_kills_lose_nothing_and_open_nothing_twice(tmp_path, monkeypatch):
    options = {"limit_seconds": 3600, "around_locks": 0.75}
    supervisor = run_and_kill(tmp_path, monkeypatch, num_kills=400, **options)
    assert supervisor.deaths >= 300
    assert supervisor.num_around_locks() >= 100
