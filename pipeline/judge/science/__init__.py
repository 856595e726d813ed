"""Pure statistics: arrays in, arrays out."""
