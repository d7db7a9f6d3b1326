"""The official validators of requests: those that the product's own server runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.official import clients
from tests.official.remote import PROGRAMS

SECONDS = 60
# Calls without a validator in @rocket.chat/rest-typings are checked by the server inside. That of
# /v1/login is left out: it refuses `resume`, which the documentation has, so it cannot be in use.
NAMES = {
    "/v1/users.create": "isUserCreateParamsPOST",
    "/v1/users.info": "isUsersInfoParamsGetProps",
    "/v1/users.list": "isUsersListParamsGET",
    "/v1/roles.addUserToRole": "isRoleAddUserToRoleProps",
    "/v1/settings.public": "isSettingsPublicWithPaginationProps",
    "/v1/chat.sendMessage": "isChatSendMessageProps",
    "/v1/chat.postMessage": "isChatPostMessageProps",
    "/v1/chat.update": "isChatUpdateProps",
    "/v1/chat.react": "isChatReactProps",
    "/v1/chat.delete": "isChatDeleteProps",
    "/v1/chat.getMessage": "isChatGetMessageProps",
    "/v1/chat.getThreadMessages": "isChatGetThreadMessagesProps",
    "/v1/chat.syncMessages": "isChatSyncMessagesProps",
    "/v1/channels.create": "isChannelsCreateProps",
    "/v1/channels.join": "isChannelsJoinProps",
    "/v1/channels.setReadOnly": "isChannelsSetReadOnlyProps",
    "/v1/channels.list": "isChannelsListProps",
    "/v1/channels.messages": "isChannelsMessagesProps",
    "/v1/channels.history": "isChannelsHistoryProps",
    "/v1/groups.create": "isGroupsCreateProps",
    "/v1/groups.invite": "isGroupsInviteProps",
    "/v1/groups.info": "isGroupsInfoProps",
    "/v1/groups.messages": "isGroupsMessagesProps",
    "/v1/im.create": "isDmCreateProps",
    "/v1/dm.create": "isDmCreateProps",
    "/v1/im.messages": "isDmMessagesProps",
    "/v1/rooms.info": "isRoomsInfoProps",
    "/v1/subscriptions.get": "isSubscriptionsGetProps",
    "/v1/subscriptions.read": "isSubscriptionsReadProps",
}


@dataclass(frozen=True)
class Request:
    """A request by the pattern of the typings; values of a query are texts, as on the wire."""

    method: str
    pattern: str
    params: Any

    @property
    def judged(self) -> bool:
        """Whether there is a validator for it."""
        return self.pattern in NAMES


def judge(requests: Sequence[Request]) -> list[str | None]:
    """Return for each request what is wrong with it, or None; all must have a validator."""
    questions = [
        {"validator": NAMES[request.pattern], "params": _on_the_wire(request)}
        for request in requests
    ]
    done = subprocess.run(  # noqa: S603 - a fixed command
        [clients.node(), PROGRAMS / "validate.mjs"],
        cwd=clients.node_project(),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def complaints(requests: Sequence[Request]) -> list[str]:
    """Return what the validators have against requests, with the request."""
    found = zip(requests, judge(requests), strict=True)
    return [f"{one.method} {one.pattern} {one.params}: {wrong}" for one, wrong in found if wrong]


def _on_the_wire(request: Request) -> Any:
    if request.method == "POST":
        return request.params
    return {key: str(value) for key, value in request.params.items()}
