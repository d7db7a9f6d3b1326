"""What survives a restart: everything that was answered."""

from __future__ import annotations

import aiohttp

from tests.support.rocketchat import StandIn


async def test_messages_rooms_users_and_settings_survive(chat: StandIn) -> None:
    parent = await chat.post("user", "general", "question", message_id="q" * 17)
    await chat.post("heyken_bot", "general", "answer", thread_id=parent["_id"])
    await chat.api("admin", "chat.react", messageId=parent["_id"], emoji=":eyes:")
    gone = await chat.post("user", "general", "gone")
    await chat.api("user", "chat.delete", roomId="GENERAL", msgId=gone["_id"])
    await chat.api("admin", "settings/Site_Name", value="Ours")
    entry = {"_id": "post-readonly", "roles": ["bot"]}
    await chat.api("admin", "permissions.update", permissions=[entry])
    person = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "pw"}
    await chat.api("admin", "users.create", **person)
    direct = await chat.direct("user", "heyken_bot")
    calls: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("user", "rooms.get", {}),
        ("user", "subscriptions.get", {}),
        ("user", "chat.getThreadMessages", {"tmid": parent["_id"]}),
        ("user", "channels.messages", {"roomId": "GENERAL"}),
        ("user", "im.messages", {"roomId": direct}),
        (
            "user",
            "chat.syncMessages",
            {"roomId": "GENERAL", "lastUpdate": "2020-01-01T00:00:00.000Z"},
        ),
        ("admin", "users.list", {}),
        ("admin", "settings/Site_Name", {}),
        ("admin", "permissions.listAll", {}),
    )
    before = [await chat.get(who, name, **query) for who, name, query in calls]
    await chat.restart()
    after = [await chat.get(who, name, **query) for who, name, query in calls]
    for (_, name, _), one, other in zip(calls, before, after, strict=True):
        assert one == other, name
    status, _ = await chat.call(None, "POST", "login", {"user": "ada", "password": "pw"})
    assert status == 200


async def test_tokens_survive(chat: StandIn) -> None:
    wanted = {"tokenName": "bot", "bypassTwoFactor": True}
    token = (await chat.api("heyken_bot", "users.generatePersonalAccessToken", **wanted))["token"]
    await chat.restart()
    assert (await chat.get("user", "me"))["username"] == "user"
    chat.tokens["heyken_bot"] = token
    assert (await chat.get("heyken_bot", "me"))["username"] == "heyken_bot"


async def test_a_repeated_id_is_known_after_a_restart(chat: StandIn) -> None:
    await chat.post("user", "general", "once", message_id="a" * 17)
    await chat.restart()
    message = {"message": {"rid": "GENERAL", "msg": "twice", "_id": "a" * 17}}
    assert (await chat.call("user", "POST", "chat.sendMessage", message))[0] == 400
    assert len(await chat.messages("general")) == 1


async def test_files_survive(chat: StandIn) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"content", filename="a.txt", content_type="text/plain")
    url, headers = f"{chat.url}/api/v1/rooms.media/GENERAL", chat.headers("user")
    async with chat.session.post(url, data=form, headers=headers) as response:
        file = (await response.json())["file"]
    await chat.restart()
    status, body = await chat.call("user", "POST", f"rooms.mediaConfirm/GENERAL/{file['_id']}")
    assert status == 200, body
    async with chat.session.get(f"{chat.url}{file['url']}", headers=headers) as response:
        assert await response.read() == b"content"


async def test_sockets_end_and_can_come_back(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        await chat.restart()
        assert await socket.ended()
    async with chat.socket("user") as socket:
        await socket.sub("stream-room-messages", "GENERAL", False)
        await chat.post("admin", "general", "back")
        assert len(await socket.events()) == 1


async def test_the_store_needs_no_goodbye(chat: StandIn) -> None:
    await chat.post("user", "general", "answered")
    folder = chat.config.data
    # What lies on the disk now, without the process having closed anything.
    copy = folder / "copy"
    copy.mkdir()
    for name in ("standin.sqlite3", "standin.sqlite3-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    from lab.standins.rocketchat.kept.store import Store  # noqa: PLC0415 - only here

    store = Store(copy)
    rows = store.all("SELECT count(*) FROM messages WHERE json_extract(doc, '$.msg') = 'answered'")
    store.close()
    assert rows == [(1,)]
