"""From results of films to the tables, curves and contrasts of a paper, by people and conditions."""
