"""What a message changes for the room and for each of its members."""

from __future__ import annotations

import dataclasses

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.places import Kind, Membership, Room
from lab.standins.rocketchat.workspace import Workspace


def room_after(workspace: Workspace, room: Room, *, added: int) -> Room:
    """Write what the room says of its messages, after one came or went."""
    last = workspace.messages.last(room.id)
    when = last["ts"]["$date"] if last is not None else 0
    return workspace.rooms.change(
        dataclasses.replace(
            room,
            messages=max(0, room.messages + added),
            last_message=last if workspace.settings.flag("Store_Last_Message") else None,
            last_message_at=max(when, room.last_message_at),
        )
    )


def members_after(
    workspace: Workspace, room: Room, message: Document, parent: Document | None
) -> list[Membership]:
    """Write what the members have not read; returns the memberships that changed."""
    changed = []
    for member in workspace.rooms.memberships_in(room.id):
        if member.user_id == message["u"]["_id"]:
            after = dataclasses.replace(member, open=True)
        else:
            after = _unread(member, room, message, parent)
        if after != member:
            changed.append(workspace.rooms.change_membership(after))
    return changed


def _unread(
    member: Membership, room: Room, message: Document, parent: Document | None
) -> Membership:
    mentioned = {mention["_id"] for mention in message.get("mentions", [])}
    personal = member.user_id in mentioned
    everybody = not mentioned.isdisjoint({"all", "here"})
    if parent is not None:
        # A reply counts for those who follow the thread, and for those it names.
        if member.user_id not in parent.get("replies", []) and not personal:
            return member
        threads = dict.fromkeys([*member.unread_threads, parent["_id"]])
        return dataclasses.replace(member, alert=True, unread_threads=tuple(threads))
    counts = room.kind is Kind.DIRECT or personal or everybody
    return dataclasses.replace(
        member,
        alert=True,
        open=True,
        unread=member.unread + int(counts),
        user_mentions=member.user_mentions + int(personal),
        group_mentions=member.group_mentions + int(everybody),
    )


def read(workspace: Workspace, member: Membership, *, threads: bool) -> Membership:
    """Write that a member has read a room."""
    return workspace.rooms.change_membership(
        dataclasses.replace(
            member,
            unread=0,
            user_mentions=0,
            group_mentions=0,
            alert=bool(member.unread_threads) and not threads,
            unread_threads=() if threads else member.unread_threads,
            last_seen=workspace.now_ms(),
            open=True,
        )
    )
