"""Pure science of spectra: arrays in, arrays out."""
