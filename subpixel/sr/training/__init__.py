"""Training: a pure step, the loop around it, and the files that the loop writes."""
