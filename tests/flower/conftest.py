"""What all tests with Flower share."""

import os
import sys
import warnings
from pathlib import Path

# Before Flower and Ray are imported, here and in the processes that they start.
os.environ |= {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VEILSUM_NUM_THREADS": "1",
}
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # stored keys

with warnings.catch_warnings():  # Its dependencies deprecate each other while they are imported.
    warnings.simplefilter("ignore")
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401
