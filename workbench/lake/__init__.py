"""The only room that opens DuckDB and writes lake files: segments, manifest, views, branches."""
