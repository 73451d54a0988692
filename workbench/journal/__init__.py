"""The append-only record of raw messages: what is acknowledged is here, and what is here is never edited."""
