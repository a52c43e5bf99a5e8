"""Whole rounds, by party and phase: ``./run bench --federation``, ``--frameworks``, ``--scale``."""
