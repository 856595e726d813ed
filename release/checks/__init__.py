"""What a release promises, proved from its files."""
