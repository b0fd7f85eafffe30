"""Results for people: Table I and the other tables, figures, findings, and one page with all of it."""
