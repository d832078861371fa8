"""Engines: where a model's tokens come from. Each module loads its own heavy libraries."""
