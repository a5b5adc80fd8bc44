"""Pages that belong to no single app: the start page, the theme, the audit log, the pages of refusal."""
