"""A Flower app as a beginner has it."""
