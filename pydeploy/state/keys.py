"""Every key of the schema, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    """Keys below one prefix.  A method without an argument gives the prefix of its kind."""

    root: str

    def wanted(self, environment: str = "") -> str:
        return f"{self.root}/wanted/{environment}"

    def environment(self, environment: str = "") -> str:
        return f"{self.root}/environments/{environment}"

    def release(self, environment: str = "", release: str = "") -> str:
        """What an environment can go back to; environments have one key below theirs for each."""
        return f"{self.root}/releases/{environment}{'/' if environment else ''}{release}"

    def ports(self, engine: str = "") -> str:
        return f"{self.root}/ports/{engine}{'/' if engine else ''}"

    def port(self, engine: str, port: int) -> str:
        return f"{self.root}/ports/{engine}/{port}"

    def subnets(self, engine: str = "") -> str:
        return f"{self.root}/subnets/{engine}{'/' if engine else ''}"

    def subnet(self, engine: str, network: str) -> str:
        """`network` in CIDR; its slash is written `_`, because `/` separates keys."""
        return f"{self.root}/subnets/{engine}/{network.replace('/', '_')}"

    def route(self, host: str = "") -> str:
        return f"{self.root}/routes/{host}"

    def gateway(self, identity: str = "") -> str:
        return f"{self.root}/gateways/{identity}"

    def lock(self, name: str = "") -> str:
        return f"{self.root}/locks/{name}"

    def work(self, environment: str = "") -> str:
        """Who works for an environment; environments have one key below theirs per agent."""
        return f"{self.root}/work/{environment}{'/' if environment else ''}"

    def build(self, identity: str = "") -> str:
        return f"{self.root}/builds/{identity}"

    def log(self, environment: str = "") -> str:
        return f"{self.root}/logs/{environment}"

    def trigger(self, identity: str = "") -> str:
        """What became of a trigger that has an idempotency key."""
        return f"{self.root}/triggers/{identity}"

    def backup(self, entry: str = "") -> str:
        return f"{self.root}/backups/{entry}"

    def outbox(self, entry: str = "") -> str:
        return f"{self.root}/outbox/{entry}"

    def audit(self, entry: str = "") -> str:
        return f"{self.root}/audit/{entry}"


def last(key: str) -> str:
    """The part after the last slash."""
    return key.rsplit("/", 1)[1]
