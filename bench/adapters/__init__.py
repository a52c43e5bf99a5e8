"""How each library does what is timed, by its own best interface."""
