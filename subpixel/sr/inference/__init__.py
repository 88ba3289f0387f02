"""Running a network on images of any size."""
