"""Super-resolution: networks, training, evaluation and the commands, over the library."""
