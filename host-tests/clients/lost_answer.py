"""A create whose first answer is lost on the way: the official Python SDK repeats it by itself.

Usage: lost_answer.py URL TOKEN, where URL leads to a proxy that swallows the first answer.
"""

import sys

import kernel
from kernel import Kernel

url, token = sys.argv[1:]
requests = []
http_client = kernel.DefaultHttpxClient(event_hooks={"request": [lambda request: requests.append(request)]})
credentials = Kernel(api_key=token, base_url=url, http_client=http_client).credentials
created = credentials.create(name="lost and found", domain="example.com", values={"a": "b"})
assert [request.headers["x-stainless-retry-count"] for request in requests] == ["0", "1"], requests
assert [one.id for one in credentials.list()] == [created.id]
assert created.value_keys == ["a"]
print("ok")
