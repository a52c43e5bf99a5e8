"""The server's part where sites may all have nothing to send: the model is not lost for it."""

from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

__all__ = ["ModelKeeper"]


class ModelKeeper(FLComponent):
    """Ends a FedAvg job in which no site sent an update, and keeps the model of the round before.

    NVFlare 2.9's own FedAvg takes the empty mean of no updates for the new model, and saves that.
    Sites whose privacy budgets are spent send nothing, all at the same time if they agreed on the
    same goal.
    """

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's events: of a mean that is about to become the model."""
        if event_type != AppEventType.AFTER_AGGREGATION:
            return
        mean = fl_ctx.get_prop(AppConstants.AGGREGATION_RESULT)
        if isinstance(mean, FLModel) and not mean.params:
            # A difference without entries changes nothing.
            mean.params, mean.params_type = {}, ParamsType.DIFF
            self.system_panic(
                "RunEndedError: the run ends: no site sent an update, and each says why in its own "
                "log. Once their privacy budgets are spent, to go on takes a new agreement",
                fl_ctx,
            )
