"""The tables; a message is kept as the document that goes over the wire."""

from __future__ import annotations

VERSION = 1

TABLES = """
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    username_key TEXT NOT NULL UNIQUE,
    email_key TEXT UNIQUE,
    password TEXT,
    created INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    last_part TEXT NOT NULL,
    bypass_second_factor INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    second_factor_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tokens_of_user ON tokens (user_id);
CREATE TABLE settings (id TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE roles (id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT;
CREATE TABLE permissions (
    id TEXT PRIMARY KEY,
    roles TEXT NOT NULL,
    updated INTEGER NOT NULL
) STRICT;
CREATE TABLE rooms (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name_key TEXT UNIQUE,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (rid, user_id)
) STRICT;
CREATE INDEX subscriptions_of_user ON subscriptions (user_id);
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    tmid TEXT,
    ts INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_time ON messages (rid, ts);
CREATE INDEX messages_by_update ON messages (rid, updated);
CREATE INDEX messages_of_thread ON messages (tmid, ts) WHERE tmid IS NOT NULL;
CREATE INDEX messages_of_user ON messages (user_id);
CREATE TABLE deleted_messages (
    id TEXT NOT NULL,
    rid TEXT NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_by_time ON deleted_messages (rid, deleted);
CREATE TABLE removed_rooms (
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    removed INTEGER NOT NULL
) STRICT;
CREATE INDEX removed_by_time ON removed_rooms (user_id, removed);
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    message_id TEXT,
    created INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
"""
