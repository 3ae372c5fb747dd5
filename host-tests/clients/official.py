"""The official Python SDK against a server whose address it is given, and nothing else changed.

Usage: official.py URL TOKEN READ_TOKEN

READ_TOKEN may only read. Ends with status 0 when everything was as it should be.
"""

import base64
import hashlib
import hmac
import struct
import sys

import httpx
import kernel
from kernel import Kernel

URL, TOKEN, READ_TOKEN = sys.argv[1:]
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
AWKWARD_NAMES = ["a b", "a/b", "100%", "a%2Fb", "é日本語", "user@host:8080", "a b/c?d#e%é@x:y", "a+b", "totp-code"]

requests = []
client = Kernel(
    api_key=TOKEN,
    base_url=URL,
    http_client=kernel.DefaultHttpxClient(event_hooks={"request": [lambda request: requests.append(request)]}),
)
credentials = client.credentials


def totp(secret, seconds, digits=6, period=30, algorithm=hashlib.sha1):
    """RFC 6238."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", seconds // period), algorithm).digest()
    offset = mac[-1] & 15
    number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def fails(expected, code, call):
    try:
        call()
    except expected as error:
        assert type(error) is expected, error
        assert error.body["code"] == code and error.body["message"], error.body
        return error
    raise AssertionError(f"no {expected.__name__}")


def a_credential_lives():
    values = {"username": "u@example.com", "password": "value-canary"}
    created = credentials.create(name="login", domain="netflix.com", values=values)
    assert created.name == "login" and created.domain == "netflix.com" and created.id.startswith("cred_")
    assert created.has_values and created.value_keys == ["username", "password"]
    assert not created.has_totp_secret and created.totp_code is None and created.sso_provider is None
    assert created.created_at.tzinfo is not None and created.created_at == created.updated_at
    for id_or_name in (created.id, "login"):
        assert credentials.retrieve(id_or_name) == created
    updated = credentials.update("login", values={"password": "new", "pin": "1"}, remove_value_keys=["username", "none"])
    assert updated.value_keys == ["password", "pin"] and updated.id == created.id
    assert updated.updated_at >= created.updated_at and updated.created_at == created.created_at
    assert credentials.update(created.id, name="renamed").name == "renamed"
    fails(kernel.NotFoundError, "not_found", lambda: credentials.retrieve("login"))
    assert credentials.delete("renamed") is None
    for id_or_name in (created.id, "renamed"):
        fails(kernel.NotFoundError, "not_found", lambda: credentials.delete(id_or_name))


def clears_by_empty_and_by_null():
    created = credentials.create(
        name="clear", domain="example.com", values={"a": "b"}, sso_provider="google", totp_secret=SECRET
    )
    assert created.sso_provider == "google" and created.has_totp_secret
    assert credentials.update("clear", sso_provider=None).sso_provider is None
    assert credentials.update("clear", sso_provider="okta").sso_provider == "okta"
    cleared = credentials.update("clear", sso_provider="", totp_secret="")
    assert cleared.sso_provider is None and not cleared.has_totp_secret and cleared.totp_digits is None
    fails(kernel.NotFoundError, "totp_not_configured", lambda: credentials.totp_code("clear"))
    credentials.delete("clear")


def none_means_not_set():
    created = credentials.create(
        name="none",
        domain="example.com",
        values={"a": "b"},
        sso_provider=None,
        totp_secret=None,
        totp_algorithm=None,
        totp_digits=None,
        totp_period=None,
    )
    assert created.sso_provider is None and not created.has_totp_secret
    listed = credentials.list(domain=None, query=None, limit=None, offset=None)
    assert [one.name for one in listed] == ["none"]
    uri = f"otpauth://totp/x?secret={SECRET}&digits=8"
    updated = credentials.update("none", totp_secret=uri, totp_algorithm=None, totp_digits=None, totp_period=None)
    assert (updated.totp_algorithm, updated.totp_digits, updated.totp_period) == ("SHA1", 8, 30)
    kept = credentials.update("none", name=None, values={"c": "d"}, remove_value_keys=None)
    assert kept.name == "none" and kept.value_keys == ["a", "c"] and kept.has_totp_secret
    assert credentials.update("none", values={"a": None}).value_keys == ["c"]
    cleared = credentials.update("none", totp_secret=None)
    assert not cleared.has_totp_secret and cleared.value_keys == ["c"]
    fails(kernel.BadRequestError, "bad_request", lambda: credentials.update("none", name=None, values=None))
    credentials.delete("none")


def codes_are_right():
    created = credentials.create(name="codes", domain="example.com", values={"a": "b"}, totp_secret=SECRET)
    assert created.totp_algorithm == "SHA1" and created.totp_digits == 6 and created.totp_period == 30
    ends = int(created.totp_code_expires_at.timestamp())
    assert created.totp_code == totp(SECRET, ends - 1)
    assert credentials.retrieve("codes").totp_code is None
    answer = credentials.totp_code("codes")
    assert answer.code == totp(SECRET, int(answer.expires_at.timestamp()) - 1)
    uri = f"otpauth://totp/Example:u?secret={SECRET}&algorithm=SHA256&digits=8&period=60"
    updated = credentials.update("codes", totp_secret=uri)
    assert (updated.totp_algorithm, updated.totp_digits, updated.totp_period) == ("SHA256", 8, 60)
    ends = int(updated.totp_code_expires_at.timestamp())
    assert updated.totp_code == totp(SECRET, ends - 1, 8, 60, hashlib.sha256)
    kept = credentials.update("codes", totp_secret="JBSWY3DPEHPK3PXP", totp_digits=7)
    assert (kept.totp_algorithm, kept.totp_digits, kept.totp_period) == ("SHA256", 7, 60)
    credentials.delete("codes")


def awkward_names_work_in_paths():
    for name in AWKWARD_NAMES:
        created = credentials.create(name=name, domain="example.com", values={"a": "b"}, totp_secret=SECRET)
        assert created.name == name
        assert credentials.retrieve(name).id == created.id, name
        assert credentials.totp_code(name).code
        assert credentials.update(name, values={"c": "d"}).value_keys == ["a", "c"]
        credentials.delete(name)


def pages_hold_everything_once_and_in_order():
    names = [f"page-{number:03}" for number in range(250)]
    for name in names:
        domain = "even.example.com" if int(name[5:]) % 2 == 0 else "odd.example.com"
        credentials.create(name=name, domain=domain, values={"a": "b"})
    for arguments, expected, pages in [
        ({}, names, 13),
        ({"limit": 100}, names, 3),
        ({"limit": 50}, names, 5),
        ({"limit": 7, "offset": 240}, names[240:], 2),
        ({"domain": "odd.example.com", "limit": 100}, names[1::2], 2),
        ({"query": "PAGE-00"}, names[:10], 1),
        ({"query": "even.", "domain": "even.example.com", "limit": 25}, names[::2], 5),
        ({"domain": "none.example.com"}, [], 1),
    ]:
        requests.clear()
        listed = list(credentials.list(**arguments))
        assert [one.name for one in listed] == expected, arguments
        assert all(one.value_keys is None and one.has_values for one in listed)
        assert len(requests) == pages, (arguments, len(requests))
    for name in names:
        credentials.delete(name)
    assert list(credentials.list()) == []


def errors_have_the_classes_of_the_sdk():
    body = {"name": "taken", "domain": "example.com", "values": {"a": "b"}}
    credentials.create(**body)
    requests.clear()
    fails(kernel.ConflictError, "name_taken", lambda: credentials.create(**body))
    assert len(requests) == 1, "the SDK repeated a create that can't succeed"
    fails(kernel.BadRequestError, "bad_request", lambda: credentials.create(name="x", domain="example.com", values={}))
    fails(kernel.BadRequestError, "bad_request", lambda: credentials.list(limit=0))
    fails(kernel.BadRequestError, "bad_request", lambda: credentials.list(limit=101))
    fails(kernel.BadRequestError, "bad_request", lambda: credentials.update("taken"))
    fails(kernel.NotFoundError, "not_found", lambda: credentials.retrieve("none"))
    wrong = Kernel(api_key="sk_wrong", base_url=URL).credentials
    fails(kernel.AuthenticationError, "unauthorized", lambda: wrong.retrieve("taken"))
    reader = Kernel(api_key=READ_TOKEN, base_url=URL).credentials
    assert reader.retrieve("taken").name == "taken"
    fails(kernel.PermissionDeniedError, "forbidden", lambda: reader.delete("taken"))
    fails(kernel.PermissionDeniedError, "forbidden", lambda: reader.totp_code("none"))
    for elsewhere in ({"project_id": "elsewhere"}, {"project": "elsewhere"}):
        other = Kernel(api_key=TOKEN, base_url=URL, **elsewhere).credentials
        fails(kernel.PermissionDeniedError, "forbidden", lambda: other.retrieve("taken"))
    home = Kernel(api_key=TOKEN, base_url=URL, project_id="default", project="default").credentials
    assert home.retrieve("taken").name == "taken"
    key = {"Idempotency-Key": "python-1"}
    first = credentials.create(name="keyed", domain="example.com", values={"a": "b"}, extra_headers=key)
    again = credentials.create(name="keyed", domain="example.com", values={"a": "b"}, extra_headers=key)
    assert first.id == again.id
    other = {"name": "keyed", "domain": "example.com", "values": {"a": "c"}, "extra_headers": key}
    fails(kernel.UnprocessableEntityError, "idempotency_mismatch", lambda: credentials.create(**other))
    credentials.delete("taken")
    credentials.delete("keyed")


def raw_deletes_are_as_the_sdk_sends_them():
    credentials.create(name="raw", domain="example.com", values={"a": "b"})
    requests.clear()
    credentials.delete("raw")
    (request,) = requests
    assert request.headers["content-type"] == "application/json" and "content-length" not in request.headers
    answer = httpx.get(URL + "/credentials/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404, answer


for check in (
    a_credential_lives,
    clears_by_empty_and_by_null,
    none_means_not_set,
    codes_are_right,
    awkward_names_work_in_paths,
    errors_have_the_classes_of_the_sdk,
    raw_deletes_are_as_the_sdk_sends_them,
    pages_hold_everything_once_and_in_order,
):
    check()
    print("ok", check.__name__)
