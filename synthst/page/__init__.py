"""Show all finished experiments below a folder on one page: tables, figures, models, test sentences."""
