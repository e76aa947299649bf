"""Adapters: the code that talks to the outside world, one file per vendor."""
