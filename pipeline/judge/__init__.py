"""The back half: from statistics to calibrated significance, classes and tiers."""
