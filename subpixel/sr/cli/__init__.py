"""The commands: one file each, with its options beside its call; `table` lists them."""
