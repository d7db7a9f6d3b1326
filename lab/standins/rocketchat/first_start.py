"""What a workspace has from its first start on: the admin, the cat, the general channel."""

from __future__ import annotations

import logging

from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.kept.rooms import GENERAL
from lab.standins.rocketchat.rules import joining
from lab.standins.rocketchat.workspace import Workspace

_log = logging.getLogger(__name__)
CAT = User(id="rocket.cat", username="rocket.cat", name="Rocket.Cat", roles=("bot",), kind="bot")


def prepare(workspace: Workspace) -> None:
    """Make what is missing; what is there stays as it is."""
    with workspace.store.transaction():
        if workspace.rooms.get(GENERAL) is None and not list(workspace.accounts):
            cat = {"_id": CAT.id, "username": CAT.username}
            general = Room(id=GENERAL, kind=Kind.CHANNEL, name="general", default=True, creator=cat)
            workspace.rooms.add(general)
        if workspace.accounts.get(CAT.id) is None:
            workspace.accounts.add(CAT, None)
        _prepare_admin(workspace)


def _prepare_admin(workspace: Workspace) -> None:
    """Make the admin from the environment; that is ignored once there is one."""
    environment, accounts = workspace.config.environment, workspace.accounts
    if any("admin" in user.roles for user in accounts):
        return
    password = environment.get("ADMIN_PASS")
    if not password:
        _log.warning("there is no admin: set ADMIN_PASS to have one made")
        return
    name = environment.get("ADMIN_USERNAME") or "admin"
    pattern = workspace.settings.text("UTF8_User_Names_Validation")
    email = environment.get("ADMIN_EMAIL", "")
    admin = User(
        id="",
        username=name if joining.matches(pattern, name) else "admin",
        name=environment.get("ADMIN_NAME") or "Administrator",
        email=email if "@" in email else "",
        verified=environment.get("ADMIN_EMAIL_VERIFIED") == "true",
        roles=("admin",),
    )
    joining.join_defaults(workspace, accounts.add(admin, password))
