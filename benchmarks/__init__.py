"""How fast it is: each benchmark prints the machine, seed, mix, percentiles and what it compares with, in one run."""
