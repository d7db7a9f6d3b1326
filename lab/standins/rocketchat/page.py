"""The page's files and everything else that a browser asks for."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import web

from lab.standins.rocketchat import ejson

FOLDER = Path(__file__).parent / "page"
# No inline scripts or styles and nothing from elsewhere: what people write cannot run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'{sockets}; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; manifest-src 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
AVATAR_HEADERS = {
    "Content-Type": "image/svg+xml",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=3600",
}
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*(\.[a-zA-Z0-9]+)+")
_HOST = re.compile(r"[a-zA-Z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?")
AVATAR_COLOURS = (
    "#c4302b",
    "#b45309",
    "#4d7c0f",
    "#047857",
    "#0e7490",
    "#1d4ed8",
    "#6d28d9",
    "#be185d",
)
APP_ROUTES = ("/", "/home", "/login", "/channel/{name}", "/group/{name}", "/direct/{name}")


async def index(request: web.Request) -> web.StreamResponse:
    """Serve the page; it reads from its own address what it shows."""
    return _file(request, "index.html")


async def file(request: web.Request) -> web.StreamResponse:
    """Serve one of the page's files."""
    name = request.match_info["name"]
    if not _NAME.fullmatch(name):
        return web.Response(status=404, headers=headers(request))
    return _file(request, name)


async def avatar(request: web.Request) -> web.StreamResponse:
    """Serve a picture for a user or a room."""
    name = ejson.clean(request.match_info["name"])
    return web.Response(text=_letter(name), headers=AVATAR_HEADERS)


def add_routes(app: web.Application) -> None:
    """Add the routes of the page."""
    for route in APP_ROUTES:
        app.router.add_get(route, index)
    app.router.add_get("/channel/{name}/thread/{thread}", index)
    app.router.add_get("/group/{name}/thread/{thread}", index)
    app.router.add_get("/direct/{name}/thread/{thread}", index)
    app.router.add_get("/page/{name}", file)
    app.router.add_get("/avatar/{name}", avatar)
    app.router.add_get("/avatar/room/{name}", avatar)


def headers(request: web.Request) -> dict[str, str]:
    """Return what goes with every file of the page.

    Older browsers do not count a websocket of the same host as the same origin, so it is named.
    """
    host = request.headers.get("Host", "")
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return HEADERS | {"Content-Security-Policy": POLICY.format(sockets=sockets)}


def _file(request: web.Request, name: str) -> web.StreamResponse:
    path = FOLDER / name
    if not path.is_file():
        text = "This stand-in was installed without its page.\n"
        return web.Response(status=404, text=text, headers=headers(request))
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith(("javascript", "json")):
        kind += "; charset=utf-8"
    return web.Response(body=path.read_bytes(), headers=headers(request) | {"Content-Type": kind})


def _letter(name: str) -> str:
    """Return the picture of a name: a letter on a colour; nobody uploads one here."""
    letter = next((character for character in name if character.isalnum()), "?").upper()
    colour = AVATAR_COLOURS[hashlib.sha256(name.encode()).digest()[0] % len(AVATAR_COLOURS)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">'
        f'<rect width="200" height="200" fill="{colour}"/>'
        '<text x="100" y="100" dy="0.36em" text-anchor="middle" fill="#fff" '
        f'font-family="sans-serif" font-size="120">{escape(letter)}</text></svg>'
    )
