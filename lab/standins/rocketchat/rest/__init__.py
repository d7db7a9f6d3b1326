"""The REST interface: one module for each kind of call, and their common path in api.py."""
