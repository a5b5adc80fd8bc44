"""The tool catalogue and the ERP port: the only way from a proposal to an ERP. Keeps no business state."""
