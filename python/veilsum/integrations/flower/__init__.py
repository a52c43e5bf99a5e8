"""Flower (1.41 and newer, its Message API): strategies whose server sees sums only.

    >>> from veilsum.integrations.flower import SecureClientApp, SecureStrategy  # doctest: +SKIP

``SecureClientApp`` takes the place of ``ClientApp``; ``SecureStrategy`` wraps a strategy such as
``FedAvg``. Promises, limits and an app as a diff: docs/flower.md.
"""

from veilsum.errors import MissingExtraError

try:
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401
except ImportError:
    raise MissingExtraError(
        "veilsum.integrations.flower needs Flower 1.41 or newer, on Python 3.11 or newer: "
        "pip install 'veilsum[flower]'"
    ) from None

from veilsum.integrations.flower.client import SecureClientApp, SecureMod
from veilsum.integrations.flower.party import Party
from veilsum.integrations.flower.rounds import SumRecord
from veilsum.integrations.flower.server import SecureStrategy
from veilsum.integrations.flower.study import SecureStudy
from veilsum.integrations.flower.study_client import StudyClientApp
from veilsum.integrations.simulation import Simulation

__all__ = [
    "Party",
    "SecureClientApp",
    "SecureMod",
    "SecureStrategy",
    "SecureStudy",
    "Simulation",
    "StudyClientApp",
    "SumRecord",
]
