"""The stores of answers in flight."""

from __future__ import annotations
