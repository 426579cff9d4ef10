"""One module per cloud service, each one small class over the real client, async at its surface."""
