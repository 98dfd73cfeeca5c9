"""The frivolous-units study: prunable and redundant units of networks of every width."""
