"""Floor 0: what Linux can do, one thin function a system call; no policy."""
