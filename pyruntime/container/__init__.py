"""Floor 3: the life of a container, one file an operation."""
