"""A job's training script is called by its place in the job, not by one on its maker's machine."""

import os
from typing import Any

__all__ = ["call_by_place_in_job"]


def call_by_place_in_job(job: Any) -> None:
    """Have a job run wherever it was moved to.

    NVFlare copies a script that is given by an absolute path into the job, with what it imports,
    and yet has the sites run the absolute path, which leads nowhere there, or to another script. A
    path of what is not here is left alone: that script is at the sites.

    Args:
        job: the ``FedJob`` of a recipe, with all its executors.
    """
    for app in job._deploy_map.values():
        for entry in getattr(app.app_config, "executors", ()):
            path = getattr(entry.executor, "_task_script_path", None)
            if isinstance(path, str) and os.path.isabs(path) and os.path.isfile(path):
                # Where NVFlare will copy it.
                entry.executor._task_script_path = job.job._get_relative_script(path)
