"""Jobs name veilsum and do not carry it: what runs at a site is what the site installed."""

from nvflare.job_config import fed_job_config

__all__ = ["keep_out_of_jobs"]


def keep_out_of_jobs() -> None:
    """Have NVFlare pack no source file of veilsum into a job that this process makes.

    NVFlare copies the files of a job's objects, and of what they import, unless they are of a
    package in this list. There is another way, ``FedJob.set_app_packages``, which whoever makes the
    job must not forget; and no object that is an argument of another, such as an aggregator, can
    do it by itself.
    """
    # A list of this module's own: NVFlare's is also where it looks for short names of classes.
    if "veilsum" not in fed_job_config.FL_PACKAGES:
        fed_job_config.FL_PACKAGES = [*fed_job_config.FL_PACKAGES, "veilsum"]
