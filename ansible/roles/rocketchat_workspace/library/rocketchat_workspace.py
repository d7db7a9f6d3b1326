#!/usr/bin/python3
"""Makes a Rocket.Chat workspace what the inventory declares, over its REST interface."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.rocketchat_api import Answer, Api, Refused
from ansible.module_utils.rocketchat_declared import (
    Changes,
    Channels,
    Problem,
    Users,
    permissions,
    settings,
)

DOCUMENTATION = r"""
module: rocketchat_workspace
short_description: Users, channels, permissions and settings of a Rocket.Chat workspace
description:
  - What is declared is made so. What was declared at the last run and is not any more is taken
    back. What people did by themselves stays as it is.
  - At the end of each run the bot posts a message, which is deleted at once, because a workspace
    without a licence refuses messages while all its health checks stay green. It is no change.
options:
  url: {description: Where the server answers., type: str, required: true}
  admin: {description: Name of an administrator., type: str, required: true}
  passwords: {description: Passwords by username., type: dict, required: true}
  users: {description: The users., type: list, elements: dict, required: true}
  channels: {description: The channels., type: list, elements: dict, required: true}
  permissions: {description: Roles by permission., type: dict, required: true}
  settings: {description: Values by setting., type: dict, required: true}
  bot: {description: Whose token is made and where it is kept., type: dict, required: true}
  proof_channel: {description: Where the message goes., type: str, required: true}
  state_file: {description: Keeps what was declared last., type: path, required: true}
"""
EXAMPLES = r"""
- name: Make the workspace
  rocketchat_workspace:
    url: http://127.0.0.1:3000
    admin: admin
    passwords: "{{ rocketchat_workspace_passwords }}"
    users: [{username: anna, name: Anna, email: anna@example.com, roles: [user]}]
    channels: [{name: general, members: [anna]}]
    permissions: {view-full-other-user-info: [bot]}
    settings: {Site_Name: Heyken}
    bot: {username: heyken_bot, token_file: /etc/heyken/rocketchat/bot.json, token_name: heyken}
    proof_channel: heyken-logs
    state_file: /etc/heyken/rocketchat/workspace.json
"""
RETURN = r"""
changes: {description: What was changed., type: list, elements: str, returned: always}
"""

NO_ANSWER = 0
NOT_LOGGED_IN = 401
RESTRICTED = (
    "The server runs and refuses messages (restricted-workspace): since version 7 it needs a"
    " licence, a registration, or fresh reports to its vendor. Lay a licence into the file"
    " rocketchat.licence of the deployment's state directory (the offline one is free of charge),"
    " or give rocketchat_registration_token or rocketchat_reporting_egress, and deploy again."
    " How: docs/howto/rocketchat.md."
)


class Absent(Exception):  # noqa: N818 - a state of things
    """There is no server yet, as before the first run."""


def log_in(api: Api, username: str, passwords: dict[str, str]) -> None:
    """Log in; raises Problem with what a person can do."""
    try:
        api.log_in(username, passwords[username])
    except Refused as refusal:
        if refusal.status == NO_ANSWER:
            raise Absent(str(refusal)) from refusal
        raise Problem(
            f"{username} cannot log in: {refusal}. The password in the vault has to be the"
            " one on the server (it was set at the first start, and whoever changed it there has to"
            " change it back or in the vault), and the account must have no second factor."
        ) from refusal


def known_login(api: Api, file: Path) -> Answer | None:
    """Return the bot's login from its file if the server still takes it."""
    try:
        login: Answer = json.loads(file.read_text())
        api.use(login["user_id"], login["token"])
        api.get("me")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    except Refused as refusal:
        if refusal.status == NOT_LOGGED_IN:
            return None
        raise
    return login


def new_login(api: Api, token_name: str) -> Answer:
    """Return a login by a new personal access token, which asks for no second factor."""
    name = {"tokenName": token_name}
    listed = api.get("users.getPersonalAccessTokens")["tokens"]
    if token_name in [token["name"] for token in listed]:
        api.post("users.removePersonalAccessToken", name)
    made = api.post("users.generatePersonalAccessToken", {**name, "bypassTwoFactor": True})
    api.post("logout", {})
    return {"user_id": api.user_id, "token": made["token"]}


def prove(bot: Api, admin: Api, channel: str) -> None:
    """Post a message and delete it; raises Problem where messages are refused."""
    text = "The deployment checks that messages are taken."
    try:
        message = bot.post("chat.postMessage", {"channel": f"#{channel}", "text": text})["message"]
    except Refused as refusal:
        if "restricted-workspace" in f"{refusal.code} {refusal.text}":
            raise Problem(RESTRICTED) from refusal
        raise
    admin.post("chat.delete", {"roomId": message["rid"], "msgId": message["_id"]})


def make(params: Answer, applied: Answer, *, check_mode: bool) -> tuple[list[str], Answer]:
    """Make the workspace; return what was changed and what to remember."""
    admin = Api(params["url"])
    log_in(admin, params["admin"], params["passwords"])
    changes = Changes(admin, check_mode=check_mode)
    users = Users(changes, params["passwords"], applied.get("users", {}))
    settings(changes, params["settings"])
    permissions(changes, params["permissions"], applied.get("permissions", {}))
    users.make(params["users"])
    Channels(changes, users, applied.get("channels", {})).make(params["channels"])
    make_bot(params, changes)
    admin.post("logout", {})
    return changes.made, {
        "users": users.prints,
        "channels": {channel["name"]: channel["members"] for channel in params["channels"]},
        "permissions": params["permissions"],
    }


def make_bot(params: Answer, changes: Changes) -> None:
    """Keep the bot's token valid and prove the workspace with it: a licence may lapse any day."""
    wanted, api = params["bot"], Api(params["url"])
    file = Path(wanted["token_file"])
    login = known_login(api, file)
    if login is None:
        changes.made.append(f"token of {wanted['username']}: made anew")
        if changes.check_mode:
            return
        api = Api(params["url"])
        log_in(api, wanted["username"], params["passwords"])
        login = new_login(api, wanted["token_name"])
        write_private(file, login)
        api.use(login["user_id"], login["token"])
    if not changes.check_mode:
        prove(api, changes.admin, params["proof_channel"])


def write_private(file: Path, content: Answer) -> None:
    """Write JSON that only root can read, in one step."""
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)
    part.rename(file)


def remembered(file: Path) -> Answer:
    """Return what the last run declared; nothing if there was none."""
    try:
        content: Answer = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content


_TEXT = {"type": "str", "required": True}
_NAMES = {"type": "list", "elements": "str", "required": True}
OPTIONS: dict[str, Any] = {
    "url": _TEXT,
    "admin": _TEXT,
    "passwords": {"type": "dict", "required": True, "no_log": True},
    "users": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "username": _TEXT,
            "name": _TEXT,
            "email": _TEXT,
            "roles": _NAMES,
        },
    },
    "channels": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": _TEXT,
            "private": {"type": "bool", "default": False},
            "topic": {"type": "str"},
            "members": _NAMES,
        },
    },
    "permissions": {"type": "dict", "required": True},
    "settings": {"type": "dict", "required": True},
    "bot": {
        "type": "dict",
        "required": True,
        "options": {
            "username": _TEXT,
            "token_file": {"type": "path", "required": True, "no_log": False},
            "token_name": {"type": "str", "required": True, "no_log": False},
        },
    },
    "proof_channel": _TEXT,
    "state_file": {"type": "path", "required": True},
}


def main() -> None:
    """Run as a module of Ansible."""
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    file = Path(module.params["state_file"])
    applied = remembered(file)
    try:
        changes, state = make(module.params, applied, check_mode=module.check_mode)
    except Absent as absent:
        if not module.check_mode:
            module.fail_json(msg=str(absent))
        module.exit_json(changed=True, changes=[f"all of it: {absent}"])
    except (Problem, Refused) as error:
        module.fail_json(msg=str(error))
    if state != applied and not module.check_mode:
        write_private(file, state)
    after = "".join(f"{change}\n" for change in changes)
    diff = {"before": "", "after": after}
    module.exit_json(changed=bool(changes), changes=changes, diff=diff)


if __name__ == "__main__":
    main()
