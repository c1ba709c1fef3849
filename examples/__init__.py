"""Models for other tasks than classification: data, training and parameters of each."""
