"""The example's job in NVFlare's simulator: four sites, of which three open what all have sent."""

import numpy as np
from digits_jobs import in_process_model
from veilsum.secure_sum import deal_shares

# All that a site's process may send in the simulator, NVFlare's own included. Of the trainer's
# result there is the contribution and nothing else.
RESULT_KEYS = {
    "/DXO/data/veilsum_contribution",
    "/DXO/kind",
    "/__headers__/__audit_event_id__",
    "/__headers__/__content_type__",
    "/__headers__/__cookie_jar__/__task_id__",
    "/__headers__/__cookie_jar__/__workflow__",
    "/__headers__/__cookie_jar__/contribution_round",
    "/__headers__/__rc__",
    "/__headers__/__peer_ctx__",
    "/__headers__/__task_id__",
    "/__headers__/__task_name__",
    "/__headers__/current_round",
}


def test_job_ends_with_the_model_of_the_loop_in_one_process(finished_job, secret_key):
    key = deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)
    expected = in_process_model(key)
    assert finished_job.model.dtype == expected.dtype
    assert np.array_equal(finished_job.model, expected)
