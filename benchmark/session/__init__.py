"""What every verb stands on: errors, progress, files, the cache, and the session that passes them down."""
