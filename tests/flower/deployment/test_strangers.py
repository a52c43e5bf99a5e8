"""That the deployment of the other tests is what it says: TLS, known nodes only, nothing left."""

import os
import socket
import subprocess
import sys

import pytest
from certificates import write_certificates, write_node_key
from deployment import BIN, START_SECONDS, Deployment, Node
from processes import Processes, free_ports, listens


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flower") / "deployment"
    with Deployment(folder, [Node("party-1", {"partition-id": 0})]) as running:
        yield running


def refused(deployment, name, *options):
    """The log of a SuperNode that is started with these options, and ends by itself."""
    command = [BIN / "flower-supernode", "--superlink", deployment.address]
    command += ["--host", "127.0.0.1", "--port", free_ports(1)[0], *options]
    deployment.processes.start(name, command, cwd=deployment.folder)
    assert deployment.processes.wait(name, START_SECONDS) == 1
    return deployment.processes.log(name)


def test_a_node_that_is_not_registered_is_refused(deployment):
    write_node_key(deployment.folder / "stranger")
    key = ("--auth-supernode-private-key", deployment.folder / "stranger" / "auth")
    log = refused(deployment, "stranger", "--root-certificates", deployment.authority, *key)
    assert "[code: 2004]" in log


def test_a_node_without_a_key_is_refused(deployment):
    log = refused(deployment, "keyless", "--root-certificates", deployment.authority)
    assert "[code: 2001]" in log


def test_a_node_does_not_talk_to_a_server_of_another_authority(deployment):
    write_certificates(deployment.folder / "other-tls")
    key = ("--auth-supernode-private-key", deployment.folder / "party-1" / "auth")
    other = deployment.folder / "other-tls" / "ca.crt"
    log = refused(deployment, "misled", "--root-certificates", other, *key)
    assert "CERTIFICATE_VERIFY_FAILED" in log


def test_the_server_answers_nothing_without_tls(deployment):
    host, port = deployment.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert not connection.recv(1000).startswith(b"HTTP")


def test_processes_end_with_what_they_started_in_sessions_of_its_own(tmp_path):
    (port,) = free_ports(1)
    grandchild = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(60)"
    child = (
        "import subprocess,sys,time\n"
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    processes = Processes(tmp_path / "logs", {"PATH": os.defpath})
    with processes:
        processes.start("child", [sys.executable, "-c", child], cwd=tmp_path)
        processes.wait_for("child", lambda: listens(port), START_SECONDS)
        assert len(processes.find("create_server", under="child")) == 2
    assert not listens(port)
    assert processes.find("create_server") == []


def test_a_program_of_somebody_else_is_left_alone(tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command) as other:
        Processes(tmp_path / "logs", {}).end_all()
        assert other.poll() is None
        other.kill()
