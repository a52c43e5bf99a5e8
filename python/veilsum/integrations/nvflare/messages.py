"""What travels between NVFlare's server and its sites, and what may leave a site."""

from collections.abc import Mapping
from typing import Any

from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

__all__ = [
    "CONTRIBUTION",
    "FEDERATION",
    "OPENING",
    "OPEN_TOPIC",
    "REFUSAL",
    "REQUEST",
    "ROUND",
    "SPENT",
    "result",
]

ROUND = "veilsum_round"
"""Header of a training task: the round's announcement."""

FEDERATION = "veilsum_federation"
"""Header of a training task: the dealer's file, for sites that joined an older federation."""

CONTRIBUTION = "veilsum_contribution"
"""The one entry of what a site answers to a training task: its contribution, as uint8."""

SPENT = "veilsum_spent"
"""The one entry of what a site answers whose party's privacy budget is spent."""

OPEN_TOPIC = "veilsum_open"
"""Topic of the questions to holders of the key. One without ``REQUEST`` asks who is there."""

REQUEST = "veilsum_request"
OPENING = "veilsum_opening"
REFUSAL = "veilsum_refusal"
"""Name of the error for which a holder refused."""


def result(
    data: Mapping[str, Any],
    task: Shareable | None,
    metrics: Mapping[str, float],
    *,
    kind: str = DataKind.WEIGHT_DIFF,
) -> Shareable:
    """All that leaves a site as the result of a task: nothing of the trainer's own is in it.

    Args:
        data: the contribution, or nothing.
        task: what the server sent, of whose headers only the number of the round goes back.
        metrics: those that were asked for by name, in clear.
        kind: of ``data``.
    """
    meta = {"initial_metrics": dict(metrics)} if metrics else {}
    shareable = DXO(kind, data=dict(data), meta=meta).to_shareable()
    number = None if task is None else task.get_header(AppConstants.CURRENT_ROUND)
    if number is not None:
        shareable.set_header(AppConstants.CURRENT_ROUND, number)
    return shareable
