"""The demo: sample services on the sandbox, with a little traffic, in a data directory of its own."""
