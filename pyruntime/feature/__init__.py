"""Floor 2: one thing a container has; plan is pure, apply touches the kernel."""
