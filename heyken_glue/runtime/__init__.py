"""What every unit stands on: process life, HTTP, clock, spool."""

from __future__ import annotations
