"""Exceptions that a command shows as one line, each with its exit code."""

import os


class InputError(ValueError):
    """The input of a user cannot be used; the message says what, the rule and the remedy.

    A command prints it without a traceback and ends with exit code 2. Exceptions of other types
    are defects of this project and keep their traceback.
    """


class NonFiniteError(ArithmeticError):
    """A network computed infinity or NaN: the loss of a training step, or an output image.

    A command prints it without a traceback and ends with exit code 3.
    """


class UnfinishedError(RuntimeError):
    """A training ended well, but measuring or reporting it failed.

    The checkpoint of the last step is kept, so the same command repeats only what failed. A
    command prints the message without a traceback and ends with exit code 4.
    """


def describe(error: Exception) -> str:
    """Returns the message of an error, with file names as they are instead of their repr.

    >>> describe(FileNotFoundError(2, "No such file or directory", "a[b].png"))
    'No such file or directory: a[b].png'
    """
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.strerror}: {os.fsdecode(error.filename)}"
    return str(error)
