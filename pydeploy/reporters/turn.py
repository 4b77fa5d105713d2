"""Whose turn it is to speak on a change: two builds of one patchset may end at once.

Gerrit itself says what has been said; looking and posting have to be one step for that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydeploy import console
from pydeploy.errors import CapacityError, ServiceError
from pydeploy.state import lock, store
from pydeploy.state.records import Holder
from pydeploy.state.store import Store

_WAIT = 60.0  # seconds; whoever holds it makes a few bounded requests


@contextmanager
def taken(opened: Store, change: int, *, is_patient: bool = True) -> Iterator[None]:
    """One at a time.  Without etcd we speak all the same: twice is better than never.

    Who is not patient has time: CapacityError where somebody speaks, ServiceError without etcd.
    """
    holder = Holder(
        holder=store.whoami(),
        since=store.timestamp(),
        build_url=os.environ.get("BUILD_URL", ""),
    )
    # `--` is in no environment's name.
    key = opened.keys.lock(f"report--{change}")
    with ExitStack() as stack:
        try:
            wait = _WAIT if is_patient else 0
            stack.enter_context(lock.hold(opened.etcd, key, holder, wait=wait))
        except (ServiceError, CapacityError) as away:
            if not is_patient:
                raise
            console.warn(f"{away.message}; the report goes out without waiting for others")
        yield
