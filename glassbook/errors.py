"""The error that a person at the terminal should see: one line that says what is wrong and what cures it."""


class GlassbookError(Exception):
    """Shown by the command line as one line, without a traceback, with exit code 1."""
