"""A key that nobody ever had: the arithmetic by which its holders make it together.

Not a protocol yet: what each holder computes by itself, and what comes of what they open.
"""
