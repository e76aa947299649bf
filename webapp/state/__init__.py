"""What processes share while calls run: limits, quotas and breakers, in one place all of them see."""

from webapp.state.factory import counts_apart, make_store
from webapp.state.gcra import Rate
from webapp.state.store import Change, Doc, StateDown, Store

__all__ = ["Change", "Doc", "Rate", "StateDown", "Store", "counts_apart", "make_store"]
