"""What a change may ask of an engine: an allow-list of keys and values on the canonical model.

    prescan(sources, notes)   what is refused whatever its value, in the files as written
    apply(model, ...)         the whole policy; returns the model neutralised

A deny-list would miss what nobody thought of, so each table names what is allowed, and a key
that is in none of them is an error.
"""

from pydeploy.repository.policy.whole import apply, prescan

__all__ = ["apply", "prescan"]
