"""What the chapters measure: a module for each experiment; the docstring of ``helpers`` lists them."""
