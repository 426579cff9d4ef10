"""What the page needs: its files, sessions, uploads, keys, and the files of tasks."""

from __future__ import annotations

from functions.api.routes import keys, page, session, source_pages, task_files, uploads

ROUTERS = (session.router, task_files.router, source_pages.router, uploads.router, keys.router, page.router)
