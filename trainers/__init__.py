"""train-agent trainers: learning from episodes, and the command line."""

__all__: list[str] = []
