"""What runs by itself: scheduled checks, clean-up and retention, in the process that holds the lease."""

from webapp.monitor.scheduler import Monitor

__all__ = ["Monitor"]
