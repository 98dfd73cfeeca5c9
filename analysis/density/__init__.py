"""The analysis of the density study: its tables, its figures, and the paper's claims beside what the runs say."""
