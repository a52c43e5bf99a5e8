"""Python imports this in each process whose PYTHONPATH has this folder; for tests only."""

import halt

halt.watch()
