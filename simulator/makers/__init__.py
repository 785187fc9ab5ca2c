"""Market makers and takers that give a local exchange life: `python -m simulator.makers`, started by `glassbook up`."""
