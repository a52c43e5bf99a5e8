"""Flower on 127.0.0.1 as it runs on real machines: SuperLink, SuperNodes, TLS, known nodes only."""

import contextlib
import json
import os
import re
import ssl
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from certificates import write_certificates, write_node_key
from processes import Processes, ProcessFailedError, free_ports, listens

BIN = Path(sys.prefix) / "bin"
START_SECONDS = 120
RUN_SECONDS = 600
CONNECTION = "loopback"


@dataclass(frozen=True)
class Node:
    """What a SuperNode is started with, besides its keys and addresses."""

    name: str
    config: dict
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run that was submitted: its id, and the name of its log."""

    id: str
    log: str


class Deployment:
    """Everything in one folder: ``tls``, ``server``, one for each node, ``operator``, ``logs``.

    ``server`` is where the SuperLink and the ServerApp live, ``operator`` where ``flwr`` runs. With
    ``with``, all processes end at the end.
    """

    def __init__(self, folder, nodes, environment=None):
        self.folder = Path(folder)
        self.nodes = {node.name: node for node in nodes}
        self.server = self.folder / "server"
        self._operator = self.folder / "operator"
        self._tls = self.folder / "tls"
        self._link_port, *ports = free_ports(1 + len(self.nodes))
        self._node_ports = dict(zip(self.nodes, ports, strict=True))
        self._num_commands = 0
        for place in (self.server, self._operator):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_certificates(self._tls)
        environment = {**_environment(self.folder), **(environment or {})}
        self.processes = Processes(self.folder / "logs", environment)

    def __enter__(self):
        try:
            self._start_superlink()
            self._register_nodes()
            for name in self.nodes:
                self.start_node(name)
            for name in self.nodes:
                self._wait_for_node(name)
        except BaseException:
            self.processes.end_all()
            print(self.processes.all_logs())
            raise
        return self

    def __exit__(self, error, *_):
        self.processes.end_all()
        if error is not None:
            print(self.processes.all_logs())
        for port in (self._link_port, *self._node_ports.values()):
            assert not listens(port), f"something still listens on port {port}"

    def start_node(self, name):
        node, place = self.nodes[name], self._place(name)
        config = " ".join(f"{key}={json.dumps(value)}" for key, value in node.config.items())
        command = [BIN / "flower-supernode", "--superlink", self.address]
        command += ["--root-certificates", self.authority]
        command += ["--auth-supernode-private-key", place / "auth"]
        command += ["--host", "127.0.0.1", "--port", self._node_ports[name]]
        command += ["--node-config", config]
        environment = {"FLWR_HOME": str(place / "flwr"), **node.environment}
        self.processes.start(name, command, cwd=place, environment=environment)

    def submit(self, app, config):
        """``flwr run`` of an app with these values in place of its own; its log is streamed."""
        words = [f"{key}={json.dumps(value)}" for key, value in config.items()]
        name = self._start_flwr("run", app, CONNECTION, "--stream", "-c", " ".join(words))
        pattern = re.compile(r"Successfully started run (\d+)")
        found = self.processes.wait_for(
            name, lambda: pattern.search(self.processes.log(name)), START_SECONDS
        )
        return Run(id=found[1], log=name)

    def finish(self, run, timeout=RUN_SECONDS):
        """Wait for the end of a run and return its status, such as ``finished:completed``."""
        self.processes.wait(run.log, timeout)
        return self.status(run)

    def status(self, run):
        name = self._start_flwr("ls", CONNECTION, "--run-id", run.id, "--format", "json")
        self._done(name)
        (found,) = json.loads(self.processes.log(name))["runs"]
        return found["status"]

    def log(self, run):
        return self.processes.log(run.log)

    @property
    def address(self):
        return f"127.0.0.1:{self._link_port}"

    @property
    def authority(self):
        return self._tls / "ca.crt"

    def _place(self, name):
        return self.folder / name

    def _start_superlink(self):
        command = [BIN / "flower-superlink", "--host", "127.0.0.1", "--port", self._link_port]
        command += ["--ssl-ca-certfile", self.authority]
        command += ["--ssl-certfile", self._tls / "server.crt"]
        command += ["--ssl-keyfile", self._tls / "server.key"]
        command += ["--enable-supernode-auth", "--disable-runtime-dependency-installation"]
        command += ["--database", self.server / "superlink.db"]
        environment = {"FLWR_HOME": str(self.server / "flwr")}
        self.processes.start("superlink", command, cwd=self.server, environment=environment)
        self.processes.wait_for("superlink", self._answers, START_SECONDS)

    def _answers(self):
        """Whether the SuperLink answers over TLS, with a certificate of our authority."""
        trust = ssl.create_default_context(cafile=self.authority)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            with opener.open(f"https://{self.address}/health", timeout=2) as answer:
                return answer.status == 200
        return False

    def _register_nodes(self):
        started = []
        for name in self.nodes:
            write_node_key(self._place(name))
            key = self._place(name) / "auth.pub"
            started.append(self._start_flwr("supernode", "register", key, CONNECTION))
        for name in started:
            self._done(name)

    def _wait_for_node(self, name):
        log = self.processes.log
        self.processes.wait_for(name, lambda: "SuperNode ID: " in log(name), START_SECONDS)

    def _start_flwr(self, *words):
        """Start a command of ``flwr``; it finds the SuperLink in the operator's config.toml."""
        home = self._operator / "flwr"
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "{self.address}"\nroot-certificates = "{self.authority}"\n'
        )
        self._num_commands += 1
        name = f"flwr-{self._num_commands}-{words[0]}"
        environment = {"FLWR_HOME": str(home)}
        self.processes.start(
            name, [BIN / "flwr", *words], cwd=self._operator, environment=environment
        )
        return name

    def _done(self, name):
        if self.processes.wait(name, START_SECONDS) != 0:
            raise ProcessFailedError(f"{name} failed:\n{self.processes.log(name)}")


def _environment(folder):
    """What all programs see: nothing of the outside but where programs are."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.defpath}",  # Flower starts its own programs by name.
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
        "VEILSUM_NUM_THREADS": "1",  # Four nodes share a small machine.
    }
