"""The way of a release: start beside the old one, healthy, switch, drain; and the way back."""
