"""Pictures of single objects, for a notebook or a paper."""
