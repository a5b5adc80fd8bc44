"""Assurance: population, samples, the rules J1-J17 over a period, the control matrix, the tie-out of gate and ERP; for the auditor."""
