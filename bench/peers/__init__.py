"""veilsum side by side with other libraries: ``./run bench --peers``, ``--quick``, ``--memory``."""
