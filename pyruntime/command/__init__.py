"""Floor 4: what engines and people type."""
