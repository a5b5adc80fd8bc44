"""What a person set up for themselves: views of lists to come back to."""
