"""One file for each library: how its own best batch interface does each operation."""
