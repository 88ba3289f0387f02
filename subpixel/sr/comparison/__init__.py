"""Comparison of upsamplers: scores, speed, work, memory."""
