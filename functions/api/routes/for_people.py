"""What the page needs: its files, sessions, uploads, keys, and the files of tasks."""

from __future__ import annotations

from functions.api.routes import keys, page, session, task_files, uploads

ROUTERS = (session.router, task_files.router, uploads.router, keys.router, page.router)
