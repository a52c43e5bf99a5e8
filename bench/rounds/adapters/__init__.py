"""One module for each framework; each runs in an environment that may have nothing else."""
