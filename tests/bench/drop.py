"""Drop many small files from a process of its own: `python -m tests.bench.drop URL BUCKET PREFIX COUNT`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2


def main(url: str, bucket: str, prefix: str, count: int) -> None:
    with httpx2.Client(base_url=url, timeout=600) as client, ThreadPoolExecutor(8) as threads:

        def put(number: int) -> None:
            params = {"uploadType": "media", "name": f"{prefix}-{number}.txt"}
            headers = {"Content-Type": "text/plain"}
            path = f"/upload/storage/v1/b/{bucket}/o"
            client.post(path, params=params, content=b"a few words", headers=headers).raise_for_status()

        list(threads.map(put, range(count)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
