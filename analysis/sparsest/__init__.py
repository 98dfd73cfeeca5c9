"""Sparsest Models Elude Pruning (arXiv 2407.04075): how sparse networks could be, and how sparse pruners make them."""
