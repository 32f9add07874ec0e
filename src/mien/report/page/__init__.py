"""One page that shows a result, and the files it is made of."""
