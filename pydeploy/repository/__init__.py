"""Reading an untrusted checkout: layout, Compose, policy.

    inspect(root, site=...)   every finding at once, and the Checkout if none is an error
    read(root, site=...)      the Checkout, or ConfigError, LayoutError, PolicyError

The rest of pydeploy works on the `Checkout` only and opens no file of a change by itself.
"""

from pydeploy.repository.checkout import Checkout
from pydeploy.repository.findings import Finding
from pydeploy.repository.inspect import Inspection, inspect, read

__all__ = ["Checkout", "Finding", "Inspection", "inspect", "read"]
