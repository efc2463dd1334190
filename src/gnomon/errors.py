"""The one exception for a person's mistake: the command line prints its sentence and exits with 2."""


class UserError(ValueError):
    """A mistake in what was asked for: a missing file, a wrong key, an impossible setting, bad data.

    The message is one sentence that says what was wrong, where, and what would be right.
    """
