"""The call: choose a service, try it, say truthfully what happened, write it down."""

from webapp.engine.hub import Hub
from webapp.engine.problems import CODES, PatchbayError
from webapp.engine.result import Result

__all__ = ["CODES", "Hub", "PatchbayError", "Result"]
