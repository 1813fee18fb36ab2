"""What is kept, what it costs, what must be kept, and forgetting."""
