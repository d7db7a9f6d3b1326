"""Whatever Rocket.Chat sends becomes a value or nothing; the shapes it really has become values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from heyken_glue.adapters.rocketchat import models
from heyken_glue.domain.chat import Message, Room, RoomKind, User

SENT, SENT_MS = "2026-11-20T10:00:00.250Z", 1795168800250
PLAIN: dict[str, Any] = {
    "_id": "m1",
    "rid": "GENERAL",
    "msg": "Zażółć",
    "ts": SENT,
    "_updatedAt": {"$date": SENT_MS + 1000},
    "u": {"_id": "u1", "username": "ala", "name": "Ala"},
}


def _parsed(**changes: object) -> Message:
    message = models.parse_message({**PLAIN, **changes})
    assert message is not None
    return message


def test_a_plain_message() -> None:
    assert _parsed() == Message(
        id="m1",
        room_id="GENERAL",
        author=User("u1", "ala"),
        text="Zażółć",
        time=SENT_MS / 1000,
        updated=SENT_MS / 1000 + 1,
    )


def test_everything_that_makes_a_message_special() -> None:
    message = _parsed(
        tmid="m0",
        editedAt={"$date": SENT_MS},
        bot={"i": "x"},
        mentions=[
            {"_id": "u2", "username": "heyken_bot", "type": "user"},
            {"_id": "t1", "name": "a team", "type": "team"},
            {"_id": "all", "username": "all"},
        ],
        files=[{"name": "a.png"}, {"name": "thumb-a.png"}, {"name": "b.txt"}],
        file={"name": "a.png"},
    )
    assert message.thread_id == "m0"
    assert message.edited
    assert message.from_integration
    assert message.mentions == {"u2", "all"}
    assert message.file_names == ("a.png", "b.txt")


def test_one_file_without_a_list() -> None:
    assert _parsed(file={"_id": "f", "name": "thumb-nail.txt"}).file_names == ("thumb-nail.txt",)


def test_files_are_bounded_in_number_and_length() -> None:
    message = _parsed(files=[{"name": f"{number}" * 1000} for number in range(100)])
    assert len(message.file_names) == models.MAX_FILE_NAMES
    assert max(map(len, message.file_names)) <= 255


@pytest.mark.parametrize(
    "changes", [{"t": "e2e"}, {"e2e": "pending"}, {"content": {"ciphertext": "x"}}]
)
def test_an_encrypted_message_is_no_event(changes: dict[str, object]) -> None:
    message = _parsed(**changes)
    assert (message.encrypted, message.system_type) == (True, None)


def test_an_event_names_its_type() -> None:
    message = _parsed(t="uj")
    assert (message.encrypted, message.system_type) == (False, "uj")


@pytest.mark.parametrize(
    "date",
    [SENT_MS, float(SENT_MS), {"$date": SENT_MS}, SENT, "2026-11-20T11:00:00.250+01:00"],
)
def test_every_shape_of_a_date(date: object) -> None:
    assert models.moment(date) == pytest.approx(SENT_MS / 1000)


@pytest.mark.parametrize(
    "date",
    [None, True, "", "soon", {}, {"$date": None}, {"$date": {"$date": 1}}, [], -1, 10**400]
    + [float("nan"), float("inf"), 1e300, "0001-01-01T00:00:00+23:59", "9" * 5000],
)
def test_what_is_no_date_is_none(date: object) -> None:
    assert models.moment(date) in {None, 0.0}


def test_one_time_stands_in_for_the_other() -> None:
    assert _parsed(ts=None).time == SENT_MS / 1000 + 1
    assert _parsed(_updatedAt="?").updated == SENT_MS / 1000


@pytest.mark.parametrize(
    "changes",
    [{"_id": None}, {"_id": ""}, {"rid": 7}, {"u": None}, {"u": {"username": "ala"}}, {"u": []}]
    + [{"ts": None, "_updatedAt": None}],
)
def test_without_ids_author_or_time_it_is_no_message(changes: dict[str, object]) -> None:
    assert models.parse_message({**PLAIN, **changes}) is None


def test_wrong_types_become_defaults() -> None:
    odd = _parsed(
        msg=["x"], tmid=7, t={}, mentions={"_id": "u"}, files="a", file=[], bot=True, editedAt=None
    )
    assert odd == _parsed(msg="")
    assert _parsed(mentions=[None, 1, {"_id": 2}, {"_id": "u"}]).mentions == {"u"}


def test_half_a_surrogate_pair_can_be_encoded_afterwards() -> None:
    message = _parsed(msg="a\ud83d b", _id="\udc00x")
    assert message.text.encode().decode() == "a\ufffd b"
    assert message.id.encode()
    assert models.text("\ud83d\ude00") == "😀"


# making odd values may take its time on a busy machine; reading them is what is tested
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HALVES_OF_PAIRS = st.characters(categories=["Cs"])  # hardly ever found among all characters
TEXT = st.text(st.characters() | HALVES_OF_PAIRS, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)


def test_the_odd_texts_hold_halves_of_pairs() -> None:
    assert find(TEXT, lambda text: any("\ud800" <= letter <= "\udfff" for letter in text))


@PATIENT
@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*PLAIN, "t", "tmid", "files"], JSON)))
def test_no_message_raises(changes: dict[str, object]) -> None:
    message = models.parse_message({**PLAIN, **changes})
    if message is not None:
        assert message.id
        assert message.text.encode() is not None
        assert 0 <= message.time < 253402300800


@PATIENT
@given(JSON)
def test_nothing_raises(value: object) -> None:
    for parse in (models.parse_message, models.parse_room, models.parse_user, models.moment):
        parse(value)


def test_rooms_of_our_kinds() -> None:
    channel = {"_id": "GENERAL", "t": "c", "name": "general", "ro": True, "archived": True}
    assert models.parse_room(channel) == Room(
        id="GENERAL", kind=RoomKind.CHANNEL, name="general", read_only=True, archived=True
    )
    direct = {"_id": "ab", "t": "d", "name": "ala", "usernames": ["ala", "heyken_bot"]}
    assert models.parse_room(direct) == Room(id="ab", kind=RoomKind.DIRECT)
    assert models.parse_room({"_id": "g", "t": "p"}) == Room(id="g", kind=RoomKind.GROUP)


@pytest.mark.parametrize("value", [None, {}, {"_id": "x"}, {"t": "c"}, {"_id": "x", "t": "l"}])
def test_other_rooms_are_none(value: object) -> None:
    assert models.parse_room(value) is None


def test_a_login_does_not_show_its_token() -> None:
    assert "geheim" not in repr(models.Login("u1", "geheim"))
