"""Other libraries' names over veilsum's core, for programs that were written for those."""
