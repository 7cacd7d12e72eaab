"""The errors of these checks."""


class Failure(AssertionError):
    """A viewer or archive does not show or give what it should."""


class Slow(Failure):
    """Something did not happen in time: a fault, or a slow machine."""
