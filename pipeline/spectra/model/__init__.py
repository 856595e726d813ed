"""The autoencoder: training, files, use."""
