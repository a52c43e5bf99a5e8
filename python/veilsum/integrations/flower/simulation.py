"""Throw-away parties for simulations: server and nodes find them by the number of the run."""

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid

from veilsum.errors import InvalidArgumentError
from veilsum.integrations.flower.party import Party, configured_party, is_named_at_start
from veilsum.integrations.simulation import Simulation
from veilsum.machine_key import MachineKey
from veilsum.secure_sum.simulated_parties import SimulatedParties

__all__ = ["simulated_federation", "usual_party"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

_PARTITION = "partition-id"


@contextmanager
def simulated_federation(
    grid: Grid, dim: int, simulation: Simulation
) -> Iterator[SimulatedParties]:
    """Parties for the nodes that there are, which are gone when this ends.

    A process that is killed leaves them in the temporary directory; the next run of the same number
    removes them. They protect nothing, and only the server that made them can announce to them.

    Raises:
        InvalidArgumentError: there are fewer than two nodes, or a number is out of range.
    """
    num_nodes = len(list(grid.get_node_ids()))
    if num_nodes < 2:
        raise InvalidArgumentError(
            f"a simulation has {num_nodes} nodes on line: a sum needs two contributors at least"
        )
    folder = _folder_of(grid.run.run_id)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    _check_own(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)  # Of this run, begun anew.
    _log.warning(
        "SIMULATION: %d throw-away parties under a key that this machine makes and knows. Nothing "
        "is private; real parties join a federation that a dealer dealt",
        num_nodes,
    )
    parties = SimulatedParties.make(
        folder,
        num_nodes,
        dim=dim,
        clip=simulation.clip,
        value_bits=simulation.value_bits,
        weight_spread=simulation.weight_spread,
        key_bits=simulation.key_bits,
    )
    try:
        yield parties
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def usual_party(context: Context) -> Party:
    """The party that the node was started as; in a simulation that names none, a throw-away one.

    Outside of simulations it is that of party.toml: who tries an app on a party's own machine does
    not mean that party. A server elsewhere makes no folder on this machine, so it cannot decide
    that a node is a throw-away party; to one that a killed simulation left, it can announce
    nothing: it has not that server's identity.

    Raises:
        as ``configured_party``, where there is neither.
    """
    folder = _folder_of(context.run_id)
    if is_named_at_start(context) or not folder.is_dir():
        return configured_party(context)
    for path in (folder.parent, folder):
        _check_own(path)
    parties = SimulatedParties(folder)
    index = context.node_config.get(_PARTITION)
    if not isinstance(index, int) or isinstance(index, bool):
        raise InvalidArgumentError(
            f"a node of a simulation has a {_PARTITION} in its configuration, a number from 0"
        )
    _log.warning("SIMULATION: this node is a throw-away party; nothing that it sends is private")
    return Party(parties.party(index), MachineKey.load(parties.key_file))


def _folder_of(run_id: int) -> Path:
    """Where one user's simulation of one run has its parties."""
    return Path(tempfile.gettempdir()) / f"veilsum-simulations-{os.getuid()}" / str(run_id)


def _check_own(folder: Path) -> None:
    """InvalidArgumentError if anybody else could have put something into the folder."""
    found = folder.lstat()
    is_own = found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)
    if not is_own or stat.S_IMODE(found.st_mode) & 0o077:
        raise InvalidArgumentError(
            f"{folder} is not this user's alone, so no parties are simulated in it: remove it"
        )
