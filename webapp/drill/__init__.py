"""The drill: a route's own services, copied onto pretend vendors, put through every kind of failure.

Everything happens in a directory, a database and on loopback ports that exist for one drill only. No real vendor is
contacted, no real service, counter or log is touched.
"""
