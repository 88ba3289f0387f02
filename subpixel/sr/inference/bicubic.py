"""Facts of bicubic interpolation as a model; this module loads neither JAX nor Flax."""

# The target that commands accept in place of a model.
BICUBIC_NAME = "bicubic"
# Bicubic enlargement reads two pixels to each side.
BICUBIC_RADIUS = 2
