"""Pure science: arrays in, arrays out; knows no path, no settings and no other package of ours."""
