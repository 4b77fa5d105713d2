"""The site's own life: starting and stopping its parts, checking them, telling resolvers of it."""
