"""Follows the routes in etcd and keeps HAProxy in step with them."""
