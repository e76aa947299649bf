"""Services as people configure them: drafts, saving, revisions, tests and named routes."""
