"""What the pages ask of a release."""
