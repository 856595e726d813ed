"""Settings of a run by topic: a class for each section, typed and bounded."""
