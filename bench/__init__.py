"""veilsum beside other libraries, and whole rounds: ``python -m bench`` is ``./run bench``."""
