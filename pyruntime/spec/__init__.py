"""Floor 1: what the user asked for: words, shapes, reading and checking of config.json."""
