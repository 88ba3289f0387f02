"""The commands: one file each, its options beside its call."""
