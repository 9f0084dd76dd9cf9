"""One file of a trained model, with a card that says what it was made of."""
