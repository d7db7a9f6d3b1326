"""Which values each call takes: anything else is refused, as the product's own schemas do.

A name that is not listed takes anything. The lists are those of @rocket.chat/rest-typings 8.8.1.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.standins.rocketchat.errors import ApiError, invalid

_ROOM = "roomId roomName"
_PEOPLE = f"{_ROOM} userId username user userIds usernames"
_PAGE = "offset count sort query"
_IN_ROOMS = {
    "history": f"{_ROOM} latest oldest inclusive unreads showThreadMessages {_PAGE}",
    "messages": f"{_ROOM} username mentionIds starredIds pinned fields {_PAGE}",
    "members": f"{_ROOM} username status filter {_PAGE}",
    "info": f"{_ROOM} username",
    "counters": f"{_ROOM} userId",
    "kick": _PEOPLE,
    "leave": _ROOM,
    "archive": _ROOM,
    "unarchive": _ROOM,
    "delete": f"{_ROOM} username",
    "close": _ROOM,
    "open": f"{_ROOM} query sort",
    "rename": f"{_ROOM} name",
    "setReadOnly": f"{_ROOM} readOnly",
    "setAnnouncement": f"{_ROOM} announcement",
    "setDescription": f"{_ROOM} description",
    "setPurpose": f"{_ROOM} purpose",
    "setTopic": f"{_ROOM} topic",
    "setType": f"{_ROOM} type",
    "setCustomFields": f"{_ROOM} customFields",
    "setDefault": f"{_ROOM} default",
    "addOwner": _PEOPLE,
    "addModerator": _PEOPLE,
    "addLeader": _PEOPLE,
    "removeOwner": _PEOPLE,
    "removeModerator": _PEOPLE,
    "removeLeader": _PEOPLE,
}
_SINGLE = {
    "channels.create": "name members teams readOnly customFields excludeSelf extraData",
    "channels.invite": _PEOPLE,
    "channels.join": f"{_ROOM} joinCode",
    "channels.list": f"_id fields {_PAGE}",
    "chat.delete": "msgId roomId fileId asUser",
    "chat.getDeletedMessages": "roomId since count offset sort",
    "chat.getMessage": "msgId",
    "chat.getThreadMessages": "tmid aroundId count offset sort",
    "chat.getThreadsList": "rid type text offset count sort query fields",
    "chat.postMessage": (
        "roomId channel text alias emoji avatar attachments tmid customFields parseUrls"
    ),
    "chat.react": "emoji messageId shouldReact reaction",
    "chat.search": "roomId searchText count offset",
    "chat.sendMessage": "message previewUrls",
    "chat.syncMessages": "roomId lastUpdate fromTs count next previous type",
    "chat.update": "roomId msgId text previewUrls customFields content e2eMentions",
    "dm.create": "usernames username excludeSelf",
    "groups.create": "name members readOnly excludeSelf customFields extraData",
    "groups.invite": _PEOPLE,
    "im.create": "usernames username excludeSelf",
    "licenses.add": "license",
    "permissions.update": "permissions",
    "roles.addUserToRole": "username roleId roomId",
    "roles.removeUserFromRole": "username roleId roomId scope",
    "rooms.changeArchivationState": "rid action",
    "rooms.info": _ROOM,
    "rooms.muteUser": "userId roomId username",
    "rooms.unmuteUser": "userId roomId username",
    "settings.public": f"_id {_PAGE}",
    "subscriptions.get": "updatedSince",
    "subscriptions.getOne": "roomId",
    "subscriptions.read": "rid readThreads roomId",
    "subscriptions.unread": "roomId firstUnreadMessage",
    "users.create": (
        "email name password username active bio nickname statusText roles joinDefaultChannels "
        "requirePasswordChange setRandomPassword sendWelcomeEmail verified customFields fields "
        "freeSwitchExtension"
    ),
    "users.info": "userId includeUserRooms fields username importId email freeSwitchExtension",
    "users.list": f"fields email {_PAGE}",
    "users.setActiveStatus": "userId activeStatus confirmRelinquish",
    "users.setPreferences": "userId data",
    "users.update": "userId confirmRelinquish data",
}
_PREFIXED = {
    f"{prefix}.{name}": words
    for prefix in ("channels", "groups", "im", "dm")
    for name, words in _IN_ROOMS.items()
}
ALLOWED = {name: frozenset(words.split()) for name, words in (_PREFIXED | _SINGLE).items()}


def why_not(name: str, values: Mapping[str, object]) -> ApiError | None:
    """Return why a call does not take these values, or None."""
    allowed = ALLOWED.get(name)
    if allowed is None or values.keys() <= allowed:
        return None
    return invalid("must NOT have additional properties")
