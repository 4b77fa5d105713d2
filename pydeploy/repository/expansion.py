"""How long variables become when Compose fills them in; an upper bound, without filling them in.

`A=xx`, `B=$A$A`, `C=$B$B` ... doubles with every line, in an env file or by way of one.
"""

from __future__ import annotations

import re

from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.sources import Sources, texts

MAX_LENGTH = 4 << 20
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*[=:]", re.ASCII)
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)", re.ASCII)  # to Compose `$Aé` is $A and an é


def check(sources: Sources, notes: Notes) -> None:
    """A finding for each file whose variables would expand beyond MAX_LENGTH."""
    lengths: dict[str, int] = {}
    for name, content in sources.env_files.items():
        grown = _env_file(content.decode("utf-8", "replace"), lengths)
        if grown > MAX_LENGTH:
            notes.add("yaml.expansion", "its variables expand to too much", Place(file=name))
    for name, document in sources.documents.items():
        if sum(_expanded(text, lengths) for _, text in texts(document.data)) > MAX_LENGTH:
            notes.add("yaml.expansion", "its variables expand to too much", Place(file=name))


def _env_file(text: str, lengths: dict[str, int]) -> int:
    """Notes the length of each variable of one env file; the largest it came to."""
    current = ""
    for line in text.split("\n"):  # as Compose does, which knows no other end of a line
        match = _ASSIGNMENT.match(line)
        if match:
            current = match[1]
            lengths[current] = max(lengths.get(current, 0), _expanded(line, lengths))
        else:  # a value of several lines
            lengths[current] = lengths.get(current, 0) + _expanded(line, lengths)
        lengths[current] = min(lengths[current], 2 * MAX_LENGTH)
    return sum(lengths.values())


def _expanded(text: str, lengths: dict[str, int]) -> int:
    return len(text) + sum(lengths.get(name, 0) for name in _REFERENCE.findall(text))
