"""What a recipe's run will take, estimated before it is run."""
