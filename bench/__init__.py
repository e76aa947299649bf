"""Measurements. Every figure is a ratio inside one run, for absolute ones say more about the machine than about us."""
