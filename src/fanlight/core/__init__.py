"""Floor 1: recording, merging and reading, with no outside library but msgspec and no I/O."""
