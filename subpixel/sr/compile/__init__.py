"""Programs for targets that are not here: TPUs and NVIDIA GPUs, compiled without owning one."""
