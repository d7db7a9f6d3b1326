"""The data plane: the doors people, peers and the host's other units knock at."""

from __future__ import annotations
