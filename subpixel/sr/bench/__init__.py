"""Benchmarks of the library's operations, run by ``python -m subpixel bench NAME``."""
