"""REST and downloads: uploading a file, and the message that brings it."""

from __future__ import annotations

import contextlib
import fnmatch
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, invalid, refused
from lab.standins.rocketchat.kept.files import StoredFile
from lab.standins.rocketchat.kept.people import Caller
from lab.standins.rocketchat.kept.settings import Settings
from lab.standins.rocketchat.rest import chat, finding
from lab.standins.rocketchat.rest.calls import Call, Registry
from lab.standins.rocketchat.rules import talk
from lab.standins.rocketchat.rules.composing import Draft, check_size
from lab.standins.rocketchat.workspace import Workspace

CHUNK = 64 * 1024
FIELD_MAX = 64 * 1024
# Shown in the page itself; everything else is offered for saving.
INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/*", "video/*", "text/plain")
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.post("rooms.media", upload, parts=1)
    registry.post("rooms.mediaConfirm", confirm, parts=2)


async def upload(call: Call) -> Document:
    """Take a file for a room; it is shown once it is confirmed."""
    workspace = call.workspace
    workspace.refuse_if_restricted()
    room = finding.readable(call, call.parts[0])
    refusal = workspace.rights.why_not_send(call.user, room)
    if refusal is not None:
        raise refusal
    if not workspace.settings.flag("FileUpload_Enabled"):
        raise refused("error-file-upload-disabled", "File upload is disabled")
    part = await _file_part(call.request)
    name = _name(unquote(part.filename or "file"))
    kind = _kind(part.headers.get("Content-Type"), name)
    _check_kind(workspace.settings, kind)
    file_id, path = workspace.files.new_path()
    size = await _receive(part, path, workspace.settings.number("FileUpload_MaxFileSize"))
    file = StoredFile(
        id=file_id, rid=room.id, user_id=call.user.id, name=name, type=kind, size=size
    )
    workspace.files.add(file)
    return {"file": {"_id": file.id, "url": file.url}}


def confirm(call: Call) -> Document:
    """Send the message that brings an uploaded file."""
    workspace, (room_id, file_id) = call.workspace, call.parts
    file = workspace.files.confirmable(file_id, room_id, call.user.id)
    if file is None:
        raise refused("invalid-file")
    name = call.optional_text("fileName")
    text, description = call.optional_text("msg") or "", call.optional_text("description") or ""
    check_size(workspace, text)
    check_size(workspace, description)
    room, thread_id = chat.place(call, room_id, call.optional_text("tmid"))
    file = _renamed(file, name)
    extra = chat.extras(call, room, dict(call.values)) | {
        "file": file.short,
        "files": [file.short],
        "attachments": [file.attachment(description)],
        "groupable": False,
    }
    draft = Draft(text=text, thread_id=thread_id, extra=extra)
    with workspace.store.transaction():
        message = talk.send(workspace, call.user, room, draft)
        workspace.files.confirm(file, message["_id"], file.name)
    return {"message": message}


async def download(workspace: Workspace, request: web.Request) -> web.StreamResponse:
    """Serve a file to those who may read its room.

    A browser's link carries no header: cookies or the query (`rc_uid`, `rc_token`) do as well.
    """
    file = workspace.files.get(ejson.clean(request.match_info["file_id"]))
    caller = _caller(workspace, request)
    room = workspace.rooms.get(file.rid) if file is not None else None
    protected = workspace.settings.flag("FileUpload_ProtectFiles")
    if caller is None and protected:
        return web.Response(status=403)
    if file is None or room is None or not workspace.files.path(file.id).is_file():
        return web.Response(status=404)
    if protected and (caller is None or not workspace.rights.sees(caller.user, room)):
        return web.Response(status=403)
    inline = any(fnmatch.fnmatch(file.type, pattern) for pattern in INLINE)
    kind = "inline" if inline and "download" not in request.query else "attachment"
    name = file.url.rpartition("/")[2]
    headers = SAFE_HEADERS | {
        "Content-Type": file.type,
        "Content-Disposition": f"{kind}; filename*=UTF-8''{name}",
    }
    return web.FileResponse(workspace.files.path(file.id), headers=headers)


async def _file_part(request: web.Request) -> aiohttp.BodyPartReader:
    """Return the part `file` of an upload; fields before it are passed over."""
    if not request.content_type.startswith("multipart/"):
        raise invalid("Unsupported content type", "error-unsupported-content-type")
    try:
        async for part in await request.multipart():
            if isinstance(part, aiohttp.BodyPartReader) and part.name == "file":
                return part
            if isinstance(part, aiohttp.BodyPartReader):
                await part.read()
    except (ValueError, AssertionError, RuntimeError) as error:
        raise invalid("Malformed multipart body", "error-malformed-body") from error
    raise failure("[No file uploaded]")


async def _receive(part: aiohttp.BodyPartReader, path: Path, limit: int) -> int:
    """Write a part to a file; nothing is left if it is too big or breaks off."""
    size = 0
    with contextlib.ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        try:
            with path.open("wb") as target:
                while chunk := await part.read_chunk(CHUNK):
                    size += len(chunk)
                    _check_file_size(size, limit)
                    target.write(chunk)
        except ValueError as error:
            raise invalid("Malformed multipart body", "error-malformed-body") from error
        undo.pop_all()
    return size


def _check_file_size(size: int, limit: int) -> None:
    if 0 <= limit < size:
        text = f"File exceeds allowed size of {limit} bytes"
        raise refused("error-file-too-large", text)


def _name(text: str) -> str:
    """Return a file's name without folders and control characters."""
    name = re.sub(r"[\x00-\x1f\x7f]", "", ejson.clean(text)).replace("\\", "/").rpartition("/")[2]
    return name.strip()[:200] or "file"


def _kind(told: str | None, name: str) -> str:
    """Return a file's media type: what the client says, or what the name suggests."""
    kind = (told or "").partition(";")[0].strip().lower()
    if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind) and kind != "application/octet-stream":
        return kind
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _check_kind(settings: Settings, kind: str) -> None:
    allowed = settings.words("FileUpload_MediaTypeWhiteList")
    denied = settings.words("FileUpload_MediaTypeBlackList")
    fits = not allowed or any(fnmatch.fnmatch(kind, pattern) for pattern in allowed)
    if not fits or any(fnmatch.fnmatch(kind, pattern) for pattern in denied):
        raise refused("error-invalid-file-type", "File type is not accepted.")


def _renamed(file: StoredFile, name: str | None) -> StoredFile:
    values = vars(file) | ({"name": _name(name)} if name else {})
    return StoredFile(**values)


def _caller(workspace: Workspace, request: web.Request) -> Caller | None:
    sources: list[tuple[Mapping[str, str], str, str]] = [
        (request.headers, "X-User-Id", "X-Auth-Token"),
        (request.cookies, "rc_uid", "rc_token"),
        (request.query, "rc_uid", "rc_token"),
    ]
    for values, user_key, token_key in sources:
        user_id, token = values.get(user_key), values.get(token_key)
        if user_id and token:
            return workspace.accounts.caller(user_id, ejson.clean(token))
    return None
