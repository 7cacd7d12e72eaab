"""The one error of these checks."""


class Failure(AssertionError):
    """A viewer or archive does not show or give what it should."""
