"""What Alembic runs. The caller gives it a connection whose transaction makes an upgrade whole or nothing."""

from __future__ import annotations

from alembic import context

from jupyter_gpu_bridge.db.indexes import metadata
from jupyter_gpu_bridge.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
