"""A stand-in for the Rocket.Chat server: its documented REST and realtime interface, no more.

- app: the server put together; page and page/: what a browser gets; modes: misbehaving on demand
- rest/: the REST interface, a module for each kind of call
- realtime/: websockets, the protocol on them, who is told what
- rules/: what is done and who may do it, for both interfaces: talking, joining, logging in
- kept/: the store, and people, rooms, messages, files and settings in it

It needs Python 3.11, aiohttp and sqlite3 only, so that Debian's own packages can run it.
"""
