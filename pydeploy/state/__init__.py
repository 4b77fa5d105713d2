"""What etcd holds (schema v1, docs/architecture.md), and the rules for changing it."""
