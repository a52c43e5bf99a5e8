"""Parties in processes of their own, which anybody may kill at any moment; for tests only.

Each has its disk, a folder; they send each other files, which appear whole. What a party says to
its supervisor is said before the deed, so that the supervisor's log has everything that may have
left. ``Place`` lets a process die at one chosen line of its work.
"""

import hashlib
import json
import os
import signal
import time
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path

import numpy as np
import protocol_parties as parties
import veilsum as vs
from veilsum import durable
from veilsum.schemes import packed
from veilsum.secure_sum import (
    Announcement,
    FolderStore,
    OpenRequest,
    PartyFolder,
    RoundDescriptor,
    RunChain,
    Transcript,
    hash_model,
    kept_sums,
    outbox,
    round_store,
)
from veilsum.wire import WireKind, split_frames, wire_kind

PASSPHRASE = "a passphrase for tests"
PATIENCE_SECONDS = 0.005
IN_FILES = ("within a file", "before sync", "before rename", "after rename")
IN_LEDGERS = ("before commit", "after commit")
# Where each of them can be told to die, besides any moment.
AROUND_LOCKS = {
    "holder": ("lock made", "lock sent", "before computing"),
    "aggregator": ("asked to lock", "lock taken", "before locks are shown", "locks are shown"),
}
PLACES = {
    "contributor": (*IN_FILES, *IN_LEDGERS, "contribution made", "contribution sent"),
    "holder": (*IN_FILES, *IN_LEDGERS, "answer made", "answer sent", *AROUND_LOCKS["holder"]),
    "aggregator": (
        *IN_FILES,
        "accepted",
        "acknowledged",
        "asked",
        "answer taken",
        "finished",
        *AROUND_LOCKS["aggregator"],
    ),
}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


class Post:
    """Folders that all of them can see: files appear in them whole."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def put(self, name, data):
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"draft-{os.getpid()}"
        draft.write_bytes(data)
        draft.rename(target)

    def has(self, name):
        return (self.folder / name).exists()

    def get(self, name):
        return (self.folder / name).read_bytes()

    def names(self, pattern):
        return sorted(path.name for path in self.folder.glob(pattern))

    def num_results(self):
        """How many rounds are over."""
        return len(self.names("results/*"))


class Process:
    """What the process of any party has: its disk, the post, and its supervisor's ear."""

    def __init__(self, name, folder, connection, death):
        self.name = name
        self.disk = Path(folder) / name
        self.post = Post(Path(folder) / "post")
        self._connection = connection
        self._death = death  # (place, how many times it is passed), or None

    def say(self, what, *facts):
        self._connection.send_bytes(json.dumps([what, *facts]).encode())

    def passes(self, place):
        """Here the process may have been told to die."""
        if self._death is None or self._death[0] != place:
            return
        self._death = (place, self._death[1] - 1)
        if self._death[1] <= 0:
            self.say("dies", place)
            os.kill(os.getpid(), signal.SIGKILL)

    def wait(self, is_there):
        """Until it is, or the run is over; whether it is."""
        while not is_there():
            if self.post.has("end"):
                return False
            time.sleep(PATIENCE_SECONDS)
        return True

    def watch_files_and_ledgers(self):
        """Makes places of what the package does with files and ledgers."""

        def before(place, function):
            @wraps(function)
            def call(*args):
                self.passes(place)
                return function(*args)

            return call

        def replace(source, target, function=os.replace):
            self.passes("before rename")
            function(source, target)
            self.passes("after rename")

        def pieces_watched(path, pieces, *, function=durable.write_file, **options):
            def watched_pieces():
                for piece in pieces:
                    yield piece
                    self.passes("within a file")

            function(path, watched_pieces(), **options)

        transaction = durable.DurableFile.transaction

        @contextmanager
        def watched(file):
            with transaction(file) as connection:
                yield connection
                is_written = connection.total_changes > 0
                if is_written:
                    self.passes("before commit")
            if is_written:
                self.passes("after commit")

        durable.os.fsync = before("before sync", os.fsync)
        durable.os.replace = replace
        outbox.write_file = round_store.write_file = kept_sums.write_file = pieces_watched
        durable.DurableFile.transaction = watched


def model_hash(number):
    return hash_model([np.full(3, number, dtype=np.float32)])


def chain_before(post, number):
    """The links of the rounds before this one, all of which were opened."""
    told = [post.get(f"transcripts/{before + 1:04d}") for before in range(number - 1)]
    return RunChain(Transcript.from_bytes(data).link for data in told)


def announcement(agreed, number, post):
    return RoundDescriptor.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=agreed.hash,
        round_number=number,
        model_hash=model_hash(number),
        invited=parties.listed(party.name for party in agreed.contributors),
        after=chain_before(post, number).end,
    )


def contributor(process):
    party = PartyFolder(process.disk).contributor(passphrase=PASSPHRASE)
    process.say("ready")
    dim = PartyFolder(process.disk).federation.codec.dim
    number = process.post.num_results() + 1
    while process.wait(partial(process.post.has, f"rounds/{number}")):
        here = f"{number:04d}-{process.name}"
        if not over(process, number):
            # Another change each time: nobody can make the same contribution twice by chance.
            delta = np.random.default_rng().uniform(-1, 1, dim)
            message = party.contribute(
                process.post.get(f"rounds/{number}"), delta, model_hash=model_hash(number)
            )
            process.say("handed out", number, digest(message))
            process.passes("contribution made")
            process.post.put(f"contributions/{here}", message)
            process.passes("contribution sent")
        if not process.wait(partial(over, process, number)):
            return
        number += 1


def over(process, number):
    """Whether the party need not contribute to the round any more."""
    return process.post.has(f"acknowledged/{number:04d}-{process.name}") or process.post.has(
        f"results/{number:04d}"
    )


def holder(process):
    party = PartyFolder(process.disk).key_holder(passphrase=PASSPHRASE)
    compute = packed._ShareHolder.open

    def watched(self, total, *, binding, **options):
        round_id, set_hash = binding[:32], binding[32:]
        process.say("computes", round_id.hex(), set_hash.hex(), time.monotonic())
        process.passes("before computing")
        return compute(self, total, binding=binding, **options)

    packed._ShareHolder.open = watched
    process.say("ready")
    box = f"requests/{process.name}"

    def waiting():
        done = set(process.post.names(f"done/{process.name}/*"))
        return [name for name in process.post.names(f"{box}/*") if name not in done]

    while process.wait(waiting):
        # In any order: what is honest need not come first again after a restart.
        name = np.random.default_rng().choice(waiting())
        request = process.post.get(f"{box}/{name}")
        asked = OpenRequest.from_bytes(next(split_frames(request, max_frame_bytes=1 << 30)))
        about = (asked.descriptor.round_number, asked.set_hash.hex())
        try:
            for index, frame in enumerate(party.open_in_frames(request)):
                is_lock = wire_kind(frame) is WireKind.LOCK
                answer, word = ("lock", "locked") if is_lock else ("answer", "answered")
                process.say(word, *about, asked.descriptor.round_id.hex(), time.monotonic())
                process.passes(f"{answer} made")
                process.post.put(f"answers/{name[:4]}/{name}-{process.name}-{index}", frame)
                process.passes(f"{answer} sent")
        except vs.PolicyRefusedError:
            process.say("refused", *about)
        process.post.put(f"done/{process.name}/{name}", b"")


def aggregator(process):
    agreed = vs.secure_sum.Federation.from_bytes((process.disk / "federation").read_bytes())
    process.say("ready")
    number = process.post.num_results() + 1
    while not process.post.has("end"):
        announced = announcement(agreed, number, process.post)
        chain = chain_before(process.post, number)
        sent = Announcement.of(announced, parties.invited_to(announced), chain)
        process.post.put(f"rounds/{number}", sent.to_bytes())
        store = FolderStore(process.disk / f"round-{number}")
        put = store.put

        def watched(kind, *arguments, put=put):
            if kind == "begun":
                process.passes("before locks are shown")
            put(kind, *arguments)
            if kind == "begun":
                process.passes("locks are shown")

        store.put = watched
        one_round(process, number, parties.aggregator(agreed, announced, chain=chain, store=store))
        store.close()
        number += 1
        if process.post.has("enough"):
            process.post.put("end", b"")


def one_round(process, number, at):
    wanted = 2 + number % 3  # The others are late.

    def contributions():
        for name in process.post.names(f"contributions/{number:04d}-*"):
            who = name.partition("-")[2]
            if not process.post.has(f"acknowledged/{name}"):
                take_contribution(process, number, who, at)
        return len(at.contributors) >= wanted

    if not process.wait(contributions):
        return
    missing = {agreed_holder(number)} if number % 2 else ()
    while at.num_missing_chunks > 0:
        asked = {}
        for name, request in at.open_requests(missing=missing).items():
            data = b"".join(request)
            asked[name] = f"{number:04d}-honest-{digest(data)}"
            process.post.put(f"requests/{name}/{asked[name]}", data)
            process.passes("asked")
        if not at.must_finish:
            process.passes("asked to lock")
        done = [f"done/{name}/{request}" for name, request in asked.items()]
        if not process.wait(partial(all_there, process.post, done)):
            return
        for name, request in asked.items():
            for answer in process.post.names(f"answers/{number:04d}/{request}-{name}-*"):
                if at.num_missing_chunks > 0:
                    take_answer(process, f"answers/{number:04d}/{answer}", at)
    result = at.finish()
    process.say("finished", number, list(result.contributors), digest(result.transcript))
    process.passes("finished")
    said = {"values": result.sum.values.tolist(), "contributors": result.contributors}
    process.post.put(f"transcripts/{number:04d}", result.transcript)
    process.post.put(f"results/{number:04d}", json.dumps(said).encode())


def all_there(post, names):
    """Whether all of these have come."""
    return all(map(post.has, names))


def agreed_holder(number):
    """Who is thought to be missing in this round."""
    return parties.holder_names("threshold")[number % 5]


def take_contribution(process, number, who, at):
    here = f"{number:04d}-{who}"
    try:
        at.receive(process.post.get(f"contributions/{here}"))
    except vs.ProtocolError:
        if who not in at.contributors:  # It is late.
            return
    process.say("accepted", number, who)
    process.passes("accepted")
    process.post.put(f"acknowledged/{here}", b"")
    process.passes("acknowledged")


def take_answer(process, name, at):
    try:
        at.receive_opening(process.post.get(name))
    except vs.ProtocolError as error:  # It was there before the aggregator died.
        if "already" not in str(error):
            raise
    is_lock = wire_kind(process.post.get(name)) is WireKind.LOCK
    process.passes("lock taken" if is_lock else "answer taken")


PARTS = {"contributor": contributor, "holder": holder, "aggregator": aggregator}


def live(part, name, folder, connection, death):
    """The main function of a process."""
    process = Process(name, folder, connection, death)
    process.watch_files_and_ledgers()
    PARTS[part](process)
