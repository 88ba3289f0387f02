"""The report page of a comparison of upsamplers: one HTML file that needs nothing else."""
