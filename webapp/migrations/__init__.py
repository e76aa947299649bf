"""Migrations of the database, run by `flask --app wsgi init`."""
