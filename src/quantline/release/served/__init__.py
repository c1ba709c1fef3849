"""What a saved model is run by, wherever it is loaded: a copy of it lies in its ``code`` folder."""
