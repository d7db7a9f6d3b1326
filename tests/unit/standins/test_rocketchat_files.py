"""Uploading, the message that brings a file, downloading."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.support.rocketchat import StandIn, standin

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def upload(
    chat: StandIn,
    content: bytes = PNG,
    *,
    name: str = "cat.png",
    kind: str = "image/png",
    field: str = "file",
    username: str = "user",
    room: str = "GENERAL",
) -> tuple[int, dict[str, Any]]:
    form = aiohttp.FormData()
    form.add_field("description", "a field before the file")
    form.add_field(field, content, filename=name, content_type=kind)
    url = f"{chat.url}/api/v1/rooms.media/{room}"
    async with chat.session.post(url, data=form, headers=chat.headers(username)) as response:
        return response.status, await response.json()


async def confirm(chat: StandIn, file_id: str, **values: Any) -> tuple[int, dict[str, Any]]:
    return await chat.call("user", "POST", f"rooms.mediaConfirm/GENERAL/{file_id}", values)


async def download(
    chat: StandIn, url: str, **headers: str
) -> tuple[int, bytes, aiohttp.typedefs.LooseHeaders]:
    async with chat.session.get(f"{chat.url}{url}", headers=headers) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_file_is_sent_in_two_steps(chat: StandIn) -> None:
    status, body = await upload(chat)
    assert status == 200, body
    file = body["file"]
    assert file["url"] == f"/file-upload/{file['_id']}/cat.png"
    assert await chat.messages("general") == [], "nothing is shown before it is confirmed"
    status, body = await confirm(chat, file["_id"], msg="look", description="a cat")
    assert status == 200, body
    message = body["message"]
    short = {"_id": file["_id"], "name": "cat.png", "type": "image/png", "size": len(PNG)}
    assert message["file"] == short | {"format": "png"}
    assert message["files"] == [message["file"]]
    attachment = message["attachments"][0]
    assert (attachment["title"], attachment["title_link"]) == ("cat.png", file["url"])
    assert (attachment["type"], attachment["image_url"]) == ("file", file["url"])
    assert attachment["description"] == "a cat"
    assert (await confirm(chat, file["_id"]))[1]["error"] == "[invalid-file]", "only once"


async def test_only_those_who_see_the_room_download(chat: StandIn) -> None:
    room_id = (await chat.api("admin", "groups.create", name="secret"))["group"]["_id"]
    file = (await upload(chat, username="admin", room=room_id))[1]["file"]
    status, content, headers = await download(chat, file["url"], **chat.headers("admin"))
    assert (status, content) == (200, PNG)
    assert isinstance(headers, dict)
    assert headers["Content-Type"] == "image/png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("inline")
    assert (await download(chat, file["url"]))[0] == 403
    assert (await download(chat, file["url"], **chat.headers("user")))[0] == 403
    token = chat.tokens["admin"]
    cookie = f"rc_uid={chat.ids['admin']}; rc_token={token}"
    assert (await download(chat, file["url"], Cookie=cookie))[0] == 200
    query = f"?rc_uid={chat.ids['admin']}&rc_token={token}&download"
    status, _, headers = await download(chat, file["url"] + query)
    assert isinstance(headers, dict)
    assert (status, headers["Content-Disposition"].split(";")[0]) == (200, "attachment")
    assert (await download(chat, "/file-upload/nothing/x.png", **chat.headers("user")))[0] == 404


async def test_what_could_run_in_a_page_is_offered_for_saving(chat: StandIn) -> None:
    file = (await upload(chat, b"<script>", name="x.html", kind="text/html"))[1]["file"]
    _, _, headers = await download(chat, file["url"], **chat.headers("user"))
    assert isinstance(headers, dict)
    assert headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "kind"), [("x.svg", "image/svg+xml"), ("x.svg", ""), ("x.svg", "nonsense")]
)
async def test_a_forbidden_kind_is_refused(chat: StandIn, name: str, kind: str) -> None:
    status, body = await upload(chat, name=name, kind=kind or "application/octet-stream")
    assert (status, body["errorType"]) == (400, "error-invalid-file-type")


async def test_a_file_that_is_too_large_leaves_nothing() -> None:
    async with standin(settings={"FileUpload_MaxFileSize": "1000"}) as chat:
        assert (await upload(chat, b"x" * 1000, name="a.bin"))[0] == 200
        status, body = await upload(chat, b"x" * 200_000, name="b.bin")
        assert (status, body["errorType"]) == (400, "error-file-too-large")
        assert len(list(chat.workspace.files.folder.iterdir())) == 1


@pytest.mark.parametrize("setting", ["image/*", "image/png,text/plain"])
async def test_only_listed_kinds_are_taken_if_there_is_a_list(setting: str) -> None:
    async with standin(settings={"FileUpload_MediaTypeWhiteList": setting}) as chat:
        assert (await upload(chat))[0] == 200
        assert (await upload(chat, name="a.zip", kind="application/zip"))[0] == 400


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\\b\\c.txt", "c.txt"),
        ("zażółć gęślą.txt", "zażółć gęślą.txt"),
        ("x" * 500, "x" * 200),
    ],
)
async def test_a_name_is_only_a_name(chat: StandIn, name: str, kept: str) -> None:
    file = (await upload(chat, name=name, kind="text/plain"))[1]["file"]
    message = (await confirm(chat, file["_id"]))[1]["message"]
    assert message["file"]["name"] == kept
    assert (await download(chat, file["url"], **chat.headers("user")))[:2] == (200, PNG)


async def test_an_upload_without_a_file_is_refused(chat: StandIn) -> None:
    assert (await upload(chat, field="picture"))[0] == 400
    status, body = await chat.call("user", "POST", "rooms.media/GENERAL", {"file": "x"})
    assert (status, body["success"]) == (400, False)
    headers = chat.headers("user") | {"Content-Type": "multipart/form-data; boundary=x"}
    for data in (b"", b"nonsense", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n"):
        url = f"{chat.url}/api/v1/rooms.media/GENERAL"
        async with chat.session.post(url, data=data, headers=headers) as response:
            assert response.status == 400, data


async def test_a_file_is_confirmed_by_who_uploaded_it_where_and_in_time() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        file_id = (await upload(chat, username="admin"))[1]["file"]["_id"]
        assert (await confirm(chat, file_id))[1]["errorType"] == "invalid-file"
        file_id = (await upload(chat, room=chat.rooms["heyken-logs"]))[1]["file"]["_id"]
        assert (await confirm(chat, file_id))[1]["errorType"] == "invalid-file"
        file_id = (await upload(chat))[1]["file"]["_id"]
        now += 24 * 3600 + 1
        assert (await confirm(chat, file_id))[1]["errorType"] == "invalid-file"


async def test_nothing_is_uploaded_where_one_may_not_write(chat: StandIn) -> None:
    await chat.api("admin", "channels.setReadOnly", roomId="GENERAL", readOnly=True)
    assert (await upload(chat))[0] == 400
    assert (await upload(chat, room="nowhere"))[0] == 400
    await chat.set_modes(restricted_workspace=True)
    assert (await upload(chat, username="admin"))[1]["error"] == "restricted-workspace"


async def test_a_file_goes_with_its_message(chat: StandIn) -> None:
    file = (await upload(chat))[1]["file"]
    message = (await confirm(chat, file["_id"]))[1]["message"]
    await chat.api("user", "chat.delete", roomId="GENERAL", msgId=message["_id"])
    assert (await download(chat, file["url"], **chat.headers("user")))[0] == 404
    assert list(chat.workspace.files.folder.iterdir()) == []
