"""What bars are asked of: DuckDB over files or its own, SQLite, PostgreSQL; each can only read."""
