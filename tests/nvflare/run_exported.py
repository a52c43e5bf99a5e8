"""Runs a job's folder in NVFlare's simulator, as another machine than its maker; for tests only.

python run_exported.py FOLDER JOB
"""

import sys
from pathlib import Path

from nvflare.private.fed.app.simulator.simulator_runner import SimulatorRunner

if __name__ == "__main__":
    folder, job = Path(sys.argv[1]), sys.argv[2]
    workspace = str(folder / "workspace" / "digits")
    sys.exit(SimulatorRunner(job, workspace=workspace, n_clients=4, threads=4).run())
