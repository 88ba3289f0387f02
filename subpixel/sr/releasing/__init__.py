"""Makes a released model from a finished workdir: its weights, its facts and its model card."""
