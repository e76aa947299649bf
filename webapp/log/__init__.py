"""The call log: its tables, and the one module that reads and writes them."""
