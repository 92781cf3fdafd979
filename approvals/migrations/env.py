"""Where Alembic starts: it works on the connection that `approvals.database` gives, in its transaction."""

from alembic import context

from approvals.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
