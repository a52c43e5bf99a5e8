"""What training tells in an exception stays at the site, whatever NVFlare streams by default."""

import json
import re
from pathlib import Path

import nvflare.lighter
import pytest
import yaml
from deal import SITES
from digits_jobs import EXAMPLE, HERE, files_that_hold, run_job
from flare_world import ServerProcess, SiteProcess, contribution, trained
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.workspace import Workspace
from nvflare.app_common.logging.job_log_streamer import JobLogStreamer
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.lighter.constants import PropKey
from nvflare.lighter.entity import Project
from nvflare.lighter.utils import load_yaml
from veilsum.integrations.nvflare.messages import OPEN_TOPIC
from veilsum.integrations.nvflare.site_logs import log_stream

PAGE = (Path(__file__).parents[2] / "docs" / "nvflare.md").read_text()
STREAMER = "nvflare.app_common.logging.site_log_streamer.SiteLogStreamer"


class LoggedSite(SiteProcess):
    """A site with a workspace, in which NVFlare looks for its resources.json."""

    def __init__(self, dealt, folder, resources, *components):
        self.folder = folder
        for place in ("startup", "local"):
            (folder / place).mkdir(parents=True, exist_ok=True)
        self.write(resources)
        self.given = dict(enumerate(components))
        super().__init__(dealt, "site-1")

    def write(self, resources):
        (self.folder / "local" / "resources.json").write_text(json.dumps(resources))

    def context(self, task_name="train"):
        fl_ctx = super().context(task_name)
        self.engine.components = self.given
        workspace = Workspace(str(self.folder), "site-1")
        for key, value in (
            (FLContextKey.WORKSPACE_OBJECT, workspace),
            (FLContextKey.WORKSPACE_ROOT, str(self.folder)),
        ):
            fl_ctx.set_prop(key, value, private=True, sticky=False)
        return fl_ctx


BY_DEFAULT = {"components": [{"id": "site_log_streamer", "path": STREAMER}]}
OFF = {"allow_log_streaming": False}


def job_streamer():
    return JobLogStreamer(log_file_name="error_log.txt")


STREAMS = {
    "the site, as provisioned": (BY_DEFAULT, ()),
    "the site, said aloud": (BY_DEFAULT | {"allow_log_streaming": True}, ()),
    "the job": ({}, (job_streamer,)),
    "the job's events": (OFF, (lambda: ConvertToFedEvent([EventType.ERROR_LOG_AVAILABLE]),)),
    "unreadable": ({"components": 3}, ()),
}
QUIET = {
    "switched off": (BY_DEFAULT | OFF, (job_streamer,)),
    "nothing streams": ({"components": [{"id": "x", "path": "a.B"}]}, ()),
    "a simulator's": ({}, (lambda: ConvertToFedEvent(["analytix_log_stats"]),)),
}


def site_of(dealt, tmp_path, case):
    resources, components = case
    return LoggedSite(dealt, tmp_path / "kit", resources, *(make() for make in components))


@pytest.mark.parametrize("case", STREAMS.values(), ids=STREAMS)
def test_no_trainer_starts_at_a_site_that_sends_its_logs(dealt, tmp_path, case):
    site = site_of(dealt, tmp_path, case)
    assert not site.trainer.has_started
    assert "this site cannot take part" in site.log[0]
    task = ServerProcess(dealt).task()
    assert site.answer(task, trained(0.1))["DXO"]["data"] == {}
    assert site.trainer.num_tasks == 0
    assert OPEN_TOPIC in site.engine.handlers  # It still helps the others to open.


@pytest.mark.parametrize("case", QUIET.values(), ids=QUIET)
def test_a_site_that_keeps_its_logs_takes_part(dealt, tmp_path, case):
    site = site_of(dealt, tmp_path, case)
    assert site.trainer.has_started
    assert contribution(site.answer(ServerProcess(dealt).task(), trained(0.1))) is not None
    assert site.log == []


def test_a_site_whose_filter_hears_no_events_trains_nothing_either(dealt, tmp_path):
    """As where it is in the chains of privacy.json only, and not among the components."""
    site = site_of(dealt, tmp_path, QUIET["switched off"])
    site.write(BY_DEFAULT)
    assert contribution(site.answer(ServerProcess(dealt).task(), trained(0.1))) is None
    assert site.trainer.num_tasks == 0
    assert "allow_log_streaming" in site.log[0]


def test_what_nvflare_provisions_sends_logs_until_the_switch_that_the_page_names(dealt, tmp_path):
    template = Path(nvflare.lighter.__path__[0]) / "templates" / "master_template.yml"
    text = load_yaml(str(template))
    resources = text["local_client_resources"]
    for name, value in (("class_allow_list", "[]"), ("allow_log_streaming", "true")):
        resources = resources.replace(f"{{~~{name}~~}}", value)
    resources = json.loads(re.sub(r"\{~~\w+~~\}", "0", resources))
    site = LoggedSite(dealt, tmp_path / "kit", resources)
    assert log_stream(site.context()) is not None
    (switch,) = set(re.findall(r'`("allow_log_streaming": \w+)`', PAGE))
    site.write(resources | json.loads(f"{{{switch}}}"))
    assert log_stream(site.context()) is None


@pytest.mark.parametrize("place", ["project", "participant"])
def test_a_project_switches_it_off_for_all_its_sites_and_a_participant_does_not(place):
    """As the page says: NVFlare 2.9.0 takes a participant's false for nothing said."""
    (line,) = set(re.findall(r"`(allow_log_streaming: \w+)`", PAGE))
    project = Project("p", "")
    site = project.add_client("site-1", "org", {})
    (project if place == "project" else site).props.update(yaml.safe_load(line))
    is_on = site.get_prop_fb(PropKey.ALLOW_LOG_STREAMING, default=True)  # As its StaticFileBuilder.
    assert is_on == (place == "participant")


# ---- a whole job: the attack, with the defence switched off and on ----

SECRET = "patient {} is {} years old".format(17, 93).encode()  # noqa: UP032  As in the script.


@pytest.fixture
def streaming_job(tmp_path):
    """The example's job, which streams logs, with training that fails at one site."""
    text = (EXAMPLE / "train.py").read_text()
    begin = "        weights = trained("
    fails = '        if flare.get_site_name() == "site-3":\n'
    fails += '            raise ValueError("patient {} is {} years old".format(17, 93))\n'
    (tmp_path / "train.py").write_text(text.replace(begin, fails + begin))
    job = (HERE / "job_digits.py").read_text()
    begin = "    recipe.execute("
    assert job.count(begin) == 1
    streams = '    recipe.enable_log_streaming("error_log.txt")\n'
    (tmp_path / "job.py").write_text(job.replace(begin, streams + begin))
    return tmp_path


def run(dealt, folder, *, defended):
    variables = {} if defended else {"VEILSUM_TEST_UNDEFENDED": "1"}
    options = [folder / "train.py"]
    return run_job(
        dealt, script=folder / "job.py", options=options, variables=variables, may_fail=True
    )


@pytest.mark.slow
def test_without_the_defence_the_server_is_sent_what_an_exception_tells(dealt, streaming_job):
    job = run(dealt, streaming_job, defended=False)
    assert not job.has_failed  # The others' rounds are opened as if nothing had happened.
    assert files_that_hold(job.folder / "workspace" / "digits" / "site-3", SECRET)
    found = files_that_hold(job.server_workspace, SECRET)
    assert [path.relative_to(job.server_workspace / "simulate_job") for path in found] == [
        Path("site-3/error_log.txt")
    ]


@pytest.mark.slow
def test_with_the_defence_nobody_trains_and_the_server_is_sent_nothing(dealt, streaming_job):
    job = run(dealt, streaming_job, defended=True)
    assert job.has_failed
    assert "rounds in a row were abandoned" in job.log
    assert files_that_hold(job.folder / "workspace", SECRET) == []
    refused = "this site cannot take part: PolicyRefusedError: this site sends its logs"
    assert job.log.count(refused) == len(SITES)
