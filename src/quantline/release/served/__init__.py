"""The code that runs a saved model; a copy of it lies in the model's ``code`` folder."""
