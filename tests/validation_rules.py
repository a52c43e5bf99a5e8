"""Which rule of docs/validation.md each test is for."""

TESTED = {}


def rule(*ids):
    """Says which rules of the document a test is for."""

    def note(function):
        for name in ids:
            assert name not in TESTED, f"{name} has two tests"
            TESTED[name] = function.__name__
        return function

    return note
