"""The error that a command shows as one line."""


class InputError(ValueError):
    """What a user gave cannot be used: the message says what, the rule and the remedy.

    Commands print it without a traceback. Any other exception is a defect of ours, and keeps its
    traceback.
    """
