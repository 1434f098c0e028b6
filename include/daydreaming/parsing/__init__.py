"""Pure readers of what models answered: the essay of a generator, the score of a judge."""
