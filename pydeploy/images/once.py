"""Built once: a record of what was built, under a lock that falls when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Etcd
from pydeploy.state import lock, store
from pydeploy.state.keys import Keys
from pydeploy.state.records import BuildRecord, Holder, Image

KEPT = 7 * 86400  # seconds; after that the same revision is built again


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The records of builds in etcd.

    `wait` is how long another's build of the same thing is waited for.  `check` is called
    about every second meanwhile, and may raise.
    """

    etcd: Etcd
    keys: Keys
    wait: float
    check: Callable[[], None]

    def once(
        self,
        identity: str,
        *,
        is_there: Callable[[Image], bool],
        build: Callable[[], Image],
        on_wait: Callable[[str], None],
    ) -> Image:
        """The image of the build `identity`: the recorded one if `is_there`, else built now.

        Of several who ask at once one builds, the others wait and take what it recorded; where
        it fails or dies, the next one builds.
        """
        found = self._recorded(identity, is_there)
        if found:
            return found
        holder = Holder(
            holder=store.whoami(),
            since=store.timestamp(),
            build_url=os.environ.get("BUILD_URL", ""),
        )
        with lock.hold(
            self.etcd,
            self.keys.lock(f"build-{identity}"),
            holder,
            wait=self.wait,
            check=self.check,
            on_wait=lambda other: on_wait(f"{other.holder} builds the same since {other.since}"),
        ) as held:
            found = self._recorded(identity, is_there)
            if found:
                return found
            image = build()
            self._record(identity, image, held)
            return image

    def _recorded(self, identity: str, is_there: Callable[[Image], bool]) -> Image | None:
        kv = self.etcd.get(self.keys.build(identity))
        if kv is None:
            return None
        (image,) = BuildRecord.read(kv.value).images
        if not is_there(image):
            return None
        if kv.lease:
            self.etcd.keep_alive(kv.lease)  # in use: another seven days
        return image

    def _record(self, identity: str, image: Image, held: lock.Held) -> None:
        """Write the record, unless the lock was lost: then somebody else's counts.

        Ours is there all the same, so it can be used; only nobody is told.
        """
        record = BuildRecord(images=(image,), created=store.timestamp())
        lease = self.etcd.grant(KEPT)
        answer = self.etcd.txn(
            [held.still()], [ops.put(self.keys.build(identity), record.text(), lease=lease)]
        )
        if not answer.succeeded:
            self.etcd.revoke(lease)
