"""One file per wire: each takes messages from somewhere, has the journal keep them, and only then acknowledges."""
