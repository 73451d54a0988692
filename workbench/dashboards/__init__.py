"""Pages over a lake: store, then views, then one file per app."""
