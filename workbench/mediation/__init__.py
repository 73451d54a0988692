"""Messages in, usage records out: decode, normalise, land, deduplicate, aggregate, keep the proof."""
