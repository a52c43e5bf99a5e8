"""The metrics of an opened sum, where NVFlare's model selector looks for those of a site."""

from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.widgets.intime_model_selector import IntimeModelSelector

__all__ = ["tell_model_selector"]

_ID = "model_selector"
"""What NVFlare's recipes call it."""


def tell_model_selector(metrics: dict[str, float], fl_ctx: FLContext) -> None:
    """Let the job's ``IntimeModelSelector``, if it has one, choose the best model by these means.

    It takes what sites send in the clear, one by one, and chooses before an aggregator is asked for
    the sum. So it is told afterwards, as of one site that has the means, by the events that it then
    would have heard; nobody else hears them. The model in the context is still the one that these
    metrics are of.

    Args:
        metrics: the weighted means.
        fl_ctx: the aggregator's, with the number of the round.
    """
    engine = fl_ctx.get_engine()
    selector = None if engine is None else engine.get_component(_ID)
    if not isinstance(selector, IntimeModelSelector) or selector.key_metric not in metrics:
        return
    means = DXO(DataKind.WEIGHT_DIFF, data={}, meta={MetaKey.INITIAL_METRICS: metrics})
    told = means.to_shareable()
    told.add_cookie(AppConstants.CONTRIBUTION_ROUND, fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
    sender = FLContext()
    sender.set_prop(ReservedKey.IDENTITY_NAME, "all sites together", private=False, sticky=False)
    sender.set_prop(FLContextKey.SHAREABLE, told, private=True, sticky=False)
    before = fl_ctx.get_peer_context()
    fl_ctx.set_peer_context(sender)
    try:
        selector.handle_event(AppEventType.BEFORE_CONTRIBUTION_ACCEPT, fl_ctx)
        selector.handle_event(AppEventType.BEFORE_AGGREGATION, fl_ctx)
    finally:
        fl_ctx.set_peer_context(before)
