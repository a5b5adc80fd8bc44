"""The auditor's desk: search, population, tie-out, control matrix, the rules over a period, samples, access; every look is recorded."""
