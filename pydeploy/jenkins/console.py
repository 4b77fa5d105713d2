"""A build's console as lines, while it is written.

Where to go on is a byte offset in the log (X-Text-Size).  What comes is changed on the way
(CR LF at line ends, annotations left out), so after a broken answer the same offset is asked for
again and what was seen of it is left out.  A character may be cut by any border.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Away
from pydeploy.jenkins import waiting
from pydeploy.jenkins.waiting import Patience

_PAUSE = 1.0  # seconds between looks, at the most: somebody is reading
_IDLE = 5  # looks at a log that does not grow, until the build is looked at
_LONGEST = 64 << 10  # characters of a line that never ends


@dataclass
class _Lines:
    """Bytes in, whole lines out."""

    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    rest: str = ""

    def feed(self, data: bytes, *, is_end: bool = False) -> Iterator[str]:
        self.rest += self.decoder.decode(data, final=is_end)
        *whole, self.rest = self.rest.split("\n")
        for line in whole:
            yield line.removesuffix("\r")
        if self.rest and (is_end or len(self.rest) > _LONGEST):
            yield self.rest.removesuffix("\r")
            self.rest = ""


def lines(jenkins: Jenkins, job: str, number: int) -> Iterator[str]:
    """What is there now, from the beginning."""
    split = _Lines()
    piece = jenkins.log(job, number, 0)
    for data in piece.body:
        yield from split.feed(data)
    yield from split.feed(b"", is_end=True)


def follow(jenkins: Jenkins, job: str, number: int, patience: Patience) -> Iterator[str]:
    """From the beginning to the build's end; also over a restart of Jenkins.

    TimedOut at the deadline, behind all that came until then.
    """
    split, start, seen = _Lines(), 0, 0
    idle, has_ended = 0, False
    for _ in patience.rounds(longest=_PAUSE):
        piece = patience.through(partial(jenkins.log, job, number, start))
        if piece.size < start:  # the log is a new one, and came from its beginning
            patience.say("the console begins anew")
            split, seen = _Lines(), 0
        skipped = 0
        try:
            for data in piece.body:
                new = data[max(seen - skipped, 0) :]
                skipped += len(data)
                seen = max(seen, skipped)
                yield from split.feed(new)
        except Away:
            if patience.is_over:
                raise
            continue  # the same offset again; `seen` bytes of it are known
        idle = idle + 1 if piece.size == start else 0
        start, seen = piece.size, 0
        if not piece.has_more or (has_ended and idle):
            yield from split.feed(b"", is_end=True)
            return
        if idle and idle % _IDLE == 0:  # where the log is gone, Jenkins says for ever that it grows
            has_ended = waiting.look(jenkins, job, number, patience).has_ended
    yield from split.feed(b"", is_end=True)
    raise waiting.not_ended(job, number)
