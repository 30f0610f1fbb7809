"""pyruntime: a low-level OCI container runtime."""

__version__ = "0.1.0"
