"""The default model: small, trained from nothing on expert episodes, so that a first run has something to improve."""
