"""The page for NVFlare: its change to a job works, and the messages that it explains exist."""

import re
from pathlib import Path

import numpy as np
import nvflare
import pytest
import veilsum
from digits_jobs import EXAMPLE
from flare_world import Engine, ServerProcess, context, contribution, trained
from nvflare.apis.dxo import DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.utils.task_utils import apply_filters
from nvflare.apis.workspace import Workspace
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.client.config import TransferType
from nvflare.private.fed.app.fl_conf import create_privacy_manager
from nvflare.recipe.spec import ExecEnv
from veilsum.integrations.nvflare import PartyFilter, SecureAggregator
from veilsum.integrations.nvflare.messages import OPEN_TOPIC

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "nvflare.md").read_text()


class Env(ExecEnv):
    """Keeps the job that it is given."""

    job = None

    def deploy(self, job):
        self.job = job
        return job.name

    def get_job_status(self, job_id):
        return None

    def abort_job(self, job_id):
        pass

    def get_job_result(self, job_id, timeout=0.0):
        return None


def job_of(lines):
    env = Env()
    known = {
        "NumpyFedAvgRecipe": NumpyFedAvgRecipe,
        "TransferType": TransferType,
        "DataKind": DataKind,
        "np": np,
        "env": env,
    }
    exec("\n".join(lines), known)
    return env.job.job._deploy_map if hasattr(env.job.job, "_deploy_map") else env.job._deploy_map


def test_change_to_a_job_makes_it_encrypted(monkeypatch):
    monkeypatch.chdir(EXAMPLE)
    (diff,) = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
    lines = diff.replace("3f2a…", "3f2a" * 16).splitlines()
    plain = job_of([line[1:] for line in lines if not line.startswith("+")])
    encrypted = job_of([line[1:] for line in lines if not line.startswith("-")])
    filters = [app.app_config.task_result_filters for app in (plain["@ALL"], encrypted["@ALL"])]
    assert filters[0] == []
    ((tasks, (filter_,)),) = filters[1]
    assert list(tasks) == ["train"]
    assert isinstance(filter_, PartyFilter)
    (workflow,) = encrypted["server"].app_config.workflows
    assert isinstance(workflow.controller.aggregator, SecureAggregator)


def texts(package):
    """The source text of a package, with literals that are split over lines put together."""
    for path in Path(package.__file__).parent.rglob("*.py"):
        text = re.sub(r"\"\s*\n\s*f?r?\"|'\s*\n\s*f?'", "", path.read_text())
        yield re.sub(r"\{[^{}\n]*\}", "…", text).replace('"number"', "number")


@pytest.fixture(scope="module")
def sources():
    return "\n".join([*texts(veilsum), *texts(nvflare)])


@pytest.mark.parametrize("page", ["nvflare.md", "pytorch.md"])
def test_messages_that_the_page_explains_are_in_the_code(page, sources):
    tables = (DOCS / page).read_text().partition("Troubleshooting\n")[2]
    messages = re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", tables, re.M)))
    assert len(messages) > 8
    parts = [part for message in messages for part in re.split(r"…|\b[NM]\b|: ", message)]
    assert [part for part in parts if part.strip(" ,;") not in sources] == []


@pytest.fixture
def policy(dealt, tmp_path):
    """The page's privacy.json as NVFlare reads it at a site."""
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    text = text.replace("/srv/veilsum/{site}", str(dealt / "parties" / "{site}"))
    for folder in ("startup", "local"):
        (tmp_path / "kit" / folder).mkdir(parents=True)
    (tmp_path / "kit" / "local" / "privacy.json").write_text(text)
    workspace = Workspace(str(tmp_path / "kit"), "site-1")
    return create_privacy_manager(workspace, names_only=False)


def test_policy_of_a_site_encrypts_every_job(dealt, policy, monkeypatch):
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(dealt / "passphrase"))
    engine = Engine()
    policy.components["veilsum"].handle_event(EventType.START_RUN, context(engine, "site-1"))
    assert set(engine.handlers) == {OPEN_TOPIC}
    task = ServerProcess(dealt).task()
    sent = set()
    for name in ("train", "validate"):
        fl_ctx = context(engine, "site-1")
        fl_ctx.set_prop(FLContextKey.SCOPE_OBJECT, policy.get_scope(None))
        received = apply_filters("task_data_filters", task, fl_ctx, {}, name, "in")
        assert received is task
        answer = apply_filters("task_result_filters", trained(0.1), fl_ctx, {}, name, "out")
        sent.add(contribution(answer).tobytes())
        assert not any("numpy_key" in entry for entry in map(str, answer["DXO"]["data"]))
    assert len(sent) == 1  # A round is answered once; asked again, with the same.
