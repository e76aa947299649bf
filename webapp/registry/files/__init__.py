"""Configuration as files: services and routes as YAML, without their secrets, to be kept in a repository."""
