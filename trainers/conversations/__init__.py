"""Conversations from elsewhere, to be imitated: public data sets for supervised fine-tuning, read as episodes.

`files` finds the rows, `forms` reads a row as a conversation, `episodes` makes episodes of them and says what was
found, `replay` plays their actions in our ALFWorld where the games are at hand.
"""
