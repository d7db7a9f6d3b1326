"""A stand-in for the Rocket.Chat server: its documented REST and realtime interface, no more.

It needs Python 3.11, aiohttp and sqlite3 only, so that Debian's own packages can run it.
"""
