"""All parties of a federation in one folder, with the key to all of it: for simulations only."""

import os
import secrets
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from veilsum import arguments
from veilsum.durable import new_folder, read_file, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Identity
from veilsum.machine_key import MachineKey
from veilsum.paillier.secret_key import generate_key
from veilsum.schemes import Policy, deal
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.party_folder import PartyFolder
from veilsum.vector import Codec

__all__ = ["SimulatedParties"]

_MARK = "SIMULATION-ONLY.txt"
_WARNING = (
    "veilsum simulation\n\n"
    "Whoever made this folder had every secret of every party, and whoever reads it has them too.\n"
    "Nothing that is encrypted under this key is private. For real parties each of them runs\n"
    "`veilsum enrol` and `veilsum join` on a machine of its own, and a dealer `veilsum deal`.\n"
)
_FEDERATION = "federation.veil"
_IDENTITY = "server.identity"
_KEY = "machine.key"
_MOST_HOLDERS = 5
_MOST_PARTIES = 1000


class SimulatedParties:
    """A folder with every party of a federation, of a key that this machine alone made.

    Rounds with these parties do all that rounds with real ones do, and protect nothing: use them to
    see that an app runs, and how fast. The folder has ``party-0``, ``party-1`` and so on, or
    parties of other names, all opened by its ``machine.key``; ``federation.veil`` and
    ``server.identity`` for the server; and a file that says what it is.

    Args:
        path: a folder that :meth:`make` or ``veilsum simulate-parties`` made.

    Attributes:
        path: as given.

    Raises:
        MalformedDataError: it is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(arguments.path("path", path))
        try:
            mark = read_file(self.path / _MARK, max_bytes=1 << 12, what="the mark of a simulation")
        except OSError:
            mark = b""
        if mark != _WARNING.encode():
            raise MalformedDataError(
                f"{self.path} has no simulated parties; `veilsum simulate-parties` makes some"
            )

    @classmethod
    def make(
        cls,
        path: str | os.PathLike[str],
        num_parties: int,
        *,
        dim: int,
        clip: float = 1.0,
        value_bits: int = 16,
        weight_spread: float = 1.0,
        key_bits: int = 2048,
        names: Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> "SimulatedParties":
        """Deal a federation and join it for everybody.

        Every party contributes; the first five, or all if they are fewer, share the key, of whom a
        minority may collude and four of five open a sum. Takes seconds: a key of safe primes.

        Args:
            path: where; nothing may be there yet. The folder appears whole or not at all.
            num_parties: 2 to 1000.
            dim: number of values of the model.
            clip: the largest value in an update; larger ones are cut.
            value_bits: precision of a value.
            weight_spread: the largest weight over the smallest, 1 if all weigh alike.
            key_bits: of the key; 2048 is usual in simulations.
            names: of the parties and their folders; ``party-0`` and so on if left out.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

        Raises:
            FileExistsError: there is something at ``path``.
            InvalidArgumentError: a number out of range, not as many names, or one that is none.
        """
        path = arguments.path("path", path)
        number = arguments.count("num_parties", num_parties, at_least=2, at_most=_MOST_PARTIES)
        codec = Codec(dim, clip=clip, value_bits=value_bits, max_addends=number)
        codec = codec.for_weight_spread(weight_spread)
        called = [cls.name(i) for i in range(number)] if names is None else list(names)
        if len(called) != number:
            raise InvalidArgumentError(f"names has {len(called)} names for {number} parties")
        for name in called:
            if name in ("", ".", "..") or "/" in name:
                raise InvalidArgumentError(f"names has {name!r}, which no folder can be called")
        with new_folder(path) as folder:
            # Identities that end with this call: nobody enrols, renews or announces later.
            dealer, server = Identity.generate("dealer"), Identity.generate("server")
            identities = [Identity.generate(name) for name in called]
            enrolled = tuple(identity.enrol() for identity in identities)
            policy = Policy.least(min(number, _MOST_HOLDERS))
            secret = generate_key(key_bits, safe_primes=True, num_threads=num_threads)
            key, shares = deal(secret, policy)
            federation = Federation(
                key=key,
                codec=codec,
                aggregator=server.enrol(),
                run_id=secrets.token_bytes(16),
                last_day=date.max,
                contributors=enrolled,
                holders=enrolled[: policy.num_holders],
                colluding_contributors=0,
                same_model="allow",
            )
            signed = federation.signed_by(dealer)
            opener = MachineKey.create(folder / _KEY)
            write_file(folder / _MARK, [_WARNING.encode()])
            write_file(folder / _FEDERATION, [signed])
            server.save(folder / _IDENTITY, passphrase=opener)
            for i, identity in enumerate(identities):
                PartyFolder.create(
                    folder / identity.name,
                    signed,
                    identity=identity,
                    passphrase=opener,
                    expected_hash=federation.hash,
                    key=shares[i] if i < policy.num_holders else None,
                )
        return cls(path)

    @classmethod
    def planned(cls, path: str | os.PathLike[str]) -> "SimulatedParties":
        """The paths of a folder that :meth:`make` has yet to make."""
        parties = cls.__new__(cls)
        parties.path = Path(arguments.path("path", path))
        return parties

    @staticmethod
    def name(index: int) -> str:
        """What the party of this index is called, if no other names were given."""
        return f"party-{index}"

    @property
    def federation_file(self) -> Path:
        """The dealer's file, for the server."""
        return self.path / _FEDERATION

    @property
    def identity_file(self) -> Path:
        """The server's identity."""
        return self.path / _IDENTITY

    @property
    def key_file(self) -> Path:
        """The machine key, which opens everything here."""
        return self.path / _KEY

    @property
    def num_parties(self) -> int:
        """How many parties there are."""
        return sum(1 for found in self.path.glob("party-*") if found.is_dir())

    def party(self, index: int) -> Path:
        """The folder of a party.

        Raises:
            InvalidArgumentError: there are not so many.
        """
        folder = self.path / self.name(arguments.count("index", index))
        if not folder.is_dir():
            raise InvalidArgumentError(
                f"{self.path} has {self.num_parties} simulated parties, from party-0 on: "
                f"there is no {folder.name}"
            )
        return folder

    def __repr__(self) -> str:
        return f"<SimulatedParties: {self.path}>"
