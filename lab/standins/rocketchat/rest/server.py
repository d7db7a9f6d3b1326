"""REST: the server itself: version, numbers, licence, registration."""

from __future__ import annotations

import json

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import invalid
from lab.standins.rocketchat.kept.places import Kind
from lab.standins.rocketchat.modes import ModeError
from lab.standins.rocketchat.rest.calls import Call, Registry

MINIMUM = {"desktop": "3.9.6", "mobile": "4.39.0"}


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.get("info", info, login=False)
    registry.get("statistics", statistics, permission="view-statistics")
    registry.get("licenses.info", license_info)
    registry.post("licenses.add", add_license, permission="edit-privileged-setting")
    registry.get("cloud.registrationStatus", registration, permission="manage-cloud")
    registry.get("instances.get", instances, permission="view-statistics")
    registry.get("commands.list", commands)


def info(call: Call) -> Document:
    """Return the version: major and minor for strangers, more for those who may know."""
    version = call.workspace.modes.version
    knows = call.caller is not None and call.workspace.rights.has(call.user, "view-statistics")
    if not knows:
        short = ".".join(version.split(".")[:2])
        return {"version": short, "minimumClientVersions": MINIMUM}
    details = {"version": version, "build": {"platform": "stand-in"}}
    return {"version": version, "info": details, "minimumClientVersions": MINIMUM}


def statistics(call: Call) -> Document:
    """Return numbers about the workspace."""
    workspace = call.workspace
    users = list(workspace.accounts)
    return {
        "uniqueId": workspace.settings.text("uniqueID"),
        "version": workspace.modes.version,
        "totalUsers": len(users),
        "activeUsers": sum(user.active for user in users),
        "onlineUsers": sum(workspace.online(user.id) for user in users),
        "totalRooms": len(workspace.rooms.all(*Kind)),
        "totalChannels": len(workspace.rooms.all(Kind.CHANNEL)),
        "totalPrivateGroups": len(workspace.rooms.all(Kind.GROUP)),
        "totalDirect": len(workspace.rooms.all(Kind.DIRECT)),
        "totalMessages": workspace.messages.count(),
        "instanceCount": 1,
        "mongoVersion": "stand-in",
        "_updatedAt": ejson.date(workspace.now_ms()),
    }


def license_info(call: Call) -> Document:
    """Tell whether there is a licence."""
    text = call.workspace.settings.text("Enterprise_License")
    modules: Document = {"activeModules": [], "externalModules": [], "limits": {}, "tags": []}
    return {"license": modules | {"hasValidLicense": bool(text), "preventedActions": {}}}


def add_license(call: Call) -> Document:
    """Put in a licence; this server takes any text for one."""
    call.workspace.settings.put("Enterprise_License", call.text("license"))
    return {}


def registration(call: Call) -> Document:
    """Tell that the workspace is not registered anywhere."""
    settings = call.workspace.settings
    return {
        "registrationStatus": {
            "workspaceRegistered": bool(settings.text("Cloud_Workspace_Client_Id")),
            "uniqueId": settings.text("uniqueID"),
            "token": "",
            "email": "",
        }
    }


def instances(_call: Call) -> Document:
    """Return the instances: this one."""
    return {"instances": []}


def commands(call: Call) -> Document:
    """Return the slash commands: none."""
    return call.listing("commands", [])


def get_modes(call: Call) -> Document:
    """The stand-in's own: return its modes."""
    return {"modes": call.workspace.modes.as_document()}


def set_modes(call: Call) -> Document:
    """The stand-in's own: change its modes, or do something once.

    Once: `drop_sockets` closes all websockets now, `repeat_message` (an id) emits one again.
    """
    wanted = dict(call.values)
    drop, again = wanted.pop("drop_sockets", False), wanted.pop("repeat_message", None)
    workspace = call.workspace
    try:
        workspace.modes = workspace.modes.changed(wanted)
    except ModeError as error:
        raise invalid(str(error), "error-invalid-mode") from error
    message = workspace.messages.get(again) if isinstance(again, str) else None
    room = workspace.rooms.get(message["rid"]) if message is not None else None
    if message is not None and room is not None:
        workspace.events.message(room, message)
    elif again is not None:
        raise invalid(f"there is no message {json.dumps(again)[:80]}", "error-invalid-mode")
    if drop is True:
        workspace.sockets.drop_all()
    return get_modes(call)
