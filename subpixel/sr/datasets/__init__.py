"""Named data sets: verification, download, TFDS builders."""
