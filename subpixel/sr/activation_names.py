"""Names of activations, for the configs of networks and the options of commands.

They stand alone, so that a command states its options without loading Flax.
"""

from typing import Literal

Activation = Literal["tanh", "relu", "prelu"]
OutputActivation = Literal["none", "sigmoid", "tanh"]
