"""Training: recipes, losses, optimisation, the loop, and the tasks it runs."""
