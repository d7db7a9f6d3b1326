"""REST: logging in and out, `me`."""

from __future__ import annotations

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import bad_login
from lab.standins.rocketchat.kept.people import own_document
from lab.standins.rocketchat.rest.calls import Call, Registry
from lab.standins.rocketchat.rules import login


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.post("login", log_in, login=False)
    registry.post("logout", log_out)
    registry.get("me", me)


async def log_in(call: Call) -> Document:
    """Log in by password or by a token that still holds."""
    values, workspace = call.values, call.workspace
    if "resume" in values:
        session = login.resume(workspace, values["resume"])
    else:
        name = {key: values[key] for key in ("user", "username", "email") if key in values}
        # Some clients send the socket's form: {"user": {"username": …}}.
        inner = name.get("user")
        name = inner if isinstance(inner, dict) else name
        if not name or "password" not in values:
            raise bad_login("Match failed", "400")
        user = await login.with_password(workspace, name, values["password"])
        login.check_login_code(workspace, user, values.get("code"))
        session = login.open_session(workspace, user)
    me = own_document(session.user, online=workspace.online(session.user.id), root_url=root(call))
    data = {"userId": session.user.id, "authToken": session.token, "me": me}
    return {"status": "success", "data": data}


def log_out(call: Call) -> Document:
    """Forget the caller's login token."""
    if call.caller is not None:
        call.workspace.accounts.revoke(call.user, only=call.caller.token.hash)
    return {"status": "success", "data": {"message": "You've been logged out!"}}


def me(call: Call) -> Document:
    """Tell callers who they are."""
    online = call.workspace.online(call.user.id)
    return own_document(call.user, online=online, root_url=root(call))


def root(call: Call) -> str:
    """Return the public address, or nothing if none was configured."""
    return call.workspace.settings.text("Site_Url")
