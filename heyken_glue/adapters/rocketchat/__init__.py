"""Rocket.Chat: listening over its websocket, everything else over REST."""

from __future__ import annotations
