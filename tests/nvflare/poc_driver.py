"""Plays what kills do to a POC of four sites, and prints what was seen; for tests only.

python poc_driver.py FOLDER

FOLDER has what ``deal`` made; the POC is in it. Each line printed with SEEN is a name and JSON. All
processes have this one's environment, by which whoever started it ends them.
"""

import json
import os
import shutil
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import train
import yaml
from deal import SITES
from job_digits import recipe_of
from nvflare.fuel.flare_api.flare_api import new_secure_session
from nvflare.lighter.provision import gen_default_project_config
from nvflare.recipe import PocEnv, ProdEnv, poc_env

ADMIN = "admin@nvidia.com"
OVER = "FINISHED"
STREAMS = "site-4"  # Until its operator says no.
WATCH_SECONDS = 60
START_SECONDS = 25  # PocEnv logs in after three, which busy machines do not meet.


def seen(name, value):
    print("SEEN", name, json.dumps(value), flush=True)


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def project_file(folder):
    """A project of NVFlare's own making, but for its ports and what sites send of their logs."""
    path = folder / "project.yml"
    gen_default_project_config("dummy_project.yml", str(path))
    project = yaml.safe_load(path.read_text())
    others = [each for each in project["participants"] if each["type"] != "client"]
    for each in others:
        if each["type"] == "server":  # A server listens where its name leads.
            each.update(name="localhost", fed_learn_port=free_port(), admin_port=free_port())
    clients = [{"type": "client", "name": site, "org": "nvidia"} for site in SITES]
    # Of a participant NVFlare 2.9.0 takes a false for nothing said, and then asks the project.
    project["allow_log_streaming"] = False
    for client in clients:
        client["allow_log_streaming"] = client["name"] == STREAMS
    project["participants"] = others + clients
    path.write_text(yaml.safe_dump(project))
    return path


def processes(*words):
    """Those of this user whose command line has all these words: their numbers."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if all(word in command for word in words) and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return len(pids)


class Jobs:
    """Jobs of a POC that runs."""

    def __init__(self, folder, poc):
        self.folder = folder
        self.kits = next(poc.rglob(ADMIN)).parent
        self.kit = str(self.kits / ADMIN)

    def ask(self, question):
        session = new_secure_session(ADMIN, self.kit)
        try:
            return question(session)
        finally:
            session.close()

    def status(self, job):
        return self.ask(lambda session: session.get_job_meta(job)["status"])

    def download(self, job, place):
        """What is left of a job at the server; stopping a PocEnv's run would end the POC."""
        shutil.copytree(self.ask(lambda session: session.download_job_result(job)), place)

    def wait(self, job, seconds):
        """How it ended, and after how many seconds; RUNNING, if it did not."""

        def watch(session):
            begin = time.monotonic()
            while True:
                status, passed = session.get_job_meta(job)["status"], time.monotonic() - begin
                if status.startswith(OVER) or passed > seconds:
                    return status, round(passed)
                time.sleep(1)

        return self.ask(watch)

    def await_training(self, job, site, seconds=180):
        """Wait until a site trains in a job: where its processes are, it says in which one."""
        told = self.kits / site / "training"
        end = time.monotonic() + seconds
        while not (told.exists() and told.read_text() == job):
            if time.monotonic() > end:
                raise TimeoutError(f"{site} does not train: {self.status(job)}")
            time.sleep(0.2)

    def log(self, site, job):
        path = self.kits / site / job / "log.txt"
        return path.read_text(errors="replace") if path.exists() else ""


def slow_script(folder):
    """The example's training, which says that it has begun, and lasts where a file says so."""
    (folder / "source").mkdir()
    path = folder / "source" / "train.py"
    text = Path(train.__file__).read_text()
    begin = "        weights = trained("
    assert text.count(begin) == 1
    waits = "        import os, time\n"
    waits += "        with open('training', 'w') as told:\n"
    waits += "            told.write(flare.get_job_id())\n"
    waits += f"        time.sleep(20 if os.path.exists({str(folder / 'slow')!r}) else 0)\n"
    path.write_text(text.replace(begin, waits + begin))
    return path


def main(folder):
    script = slow_script(folder)
    poc = folder / "poc"
    # ---- In PocEnv, with one site that sends its logs to the server. ----
    poc_env.SERVICE_START_TIMEOUT = START_SECONDS
    env = PocEnv(project_conf_path=str(project_file(folder)))
    run = recipe_of(folder, script).execute(env)
    jobs = Jobs(folder, poc)
    seen("streaming", [*jobs.wait(run.get_job_id(), 180), run.get_job_id()])
    refusal = "this site sends its logs to the server"
    seen("refused", [s for s in SITES if refusal in jobs.log(s, run.get_job_id())])
    jobs.download(run.get_job_id(), folder / "streaming-result")
    # Its operator says no; the watchdog starts the site again.
    local = jobs.kits / STREAMS / "local"
    path = next(
        p for p in (local / "resources.json", local / "resources.json.default") if p.exists()
    )
    settings = json.loads(path.read_text()) | {"allow_log_streaming": False}
    (local / "resources.json").write_text(json.dumps(settings))
    kill(processes("client_train", f"/{STREAMS}"))

    # ---- As in production: a job that was made, moved, and submitted from elsewhere. ----
    recipe = recipe_of(folder, script)
    recipe.export(str(folder / "made"))
    moved = shutil.move(folder / "made" / "digits", folder / "moved")
    script.rename(folder / "gone.py")
    time.sleep(20)  # As long as the site takes to come back.
    job = jobs.ask(lambda session: session.submit_job(str(moved)))
    seen("moved", jobs.wait(job, 180))
    jobs.download(job, folder / "moved-result")
    (folder / "gone.py").rename(script)

    # ---- A site's job process dies. ----
    (folder / "slow").touch()
    env = ProdEnv(startup_kit_location=jobs.kit)
    job = recipe_of(folder, script).execute(env).get_job_id()
    jobs.await_training(job, "site-2")
    seen("killed-job-process", kill(processes("worker_process", "/site-2", job)))
    seen("job-process", jobs.wait(job, 120))

    # ---- A whole site dies, which its watchdog starts again. ----
    job = recipe_of(folder, script).execute(env).get_job_id()
    jobs.await_training(job, "site-3")
    seen("killed-site", kill(processes("nvflare.private.fed.app.client", "/site-3")))
    seen("whole-site", jobs.wait(job, WATCH_SECONDS))
    jobs.ask(lambda session: session.abort_job(job))
    seen("aborted", jobs.wait(job, 120))

    # ---- What comes after goes on with the next number of the run. ----
    (folder / "slow").unlink()
    job = recipe_of(folder, script).execute(env).get_job_id()
    seen("again", jobs.wait(job, 180))
    seen("transcripts", sorted(path.name for path in (folder / "rounds").glob("*.transcript")))
    PocEnv(project_conf_path=str(folder / "project.yml")).stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
