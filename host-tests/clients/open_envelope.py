"""Opens Strongroom's envelopes (format 2) by the description in src/seal/mod.rs alone, with PyNaCl for the cipher.

Reads test vectors from standard input; see src/seal/testdata/envelope.json.
"""
import base64, hashlib, hmac, json, sys
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt


def listed(*parts):
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def expand(key, info, length):
    prk = hmac.new(bytes(32), key, hashlib.sha256).digest()
    block, okm = b"", b""
    for counter in range(1, 1 + -(-length // 32)):
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        okm += block
    return okm[:length]


vectors = json.load(sys.stdin)
key_id, _, key = vectors["strongroom_keys"].partition(":")
key = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
for case in vectors["cases"]:
    envelope = bytes.fromhex(case["envelope"])
    project, purpose, place = (case[name].encode() for name in ("project", "purpose", "place"))
    assert envelope[0] == 2, "format"
    rest = envelope[2 + envelope[1]:]
    assert envelope[2:2 + envelope[1]].decode() == key_id, "key id"
    commitment, prefix, length, rest = rest[:32], rest[32:48], int.from_bytes(rest[48:52], "little"), rest[52:]
    okm = expand(key, listed(b"\x02", purpose, project), 64)
    assert okm[32:] == commitment, "commitment"
    for number, part in enumerate([case["head"], *case["parts"]]):
        part = bytes.fromhex(part)
        if number == 0:
            assert length == len(part), "length of the head"
        sealed, rest = rest[:len(part) + 16], rest[len(part) + 16:]
        counter = number.to_bytes(8, "little")
        bound_to = listed(b"\x02", key_id.encode(), project, purpose, place, counter)
        assert decrypt(sealed, bound_to, prefix + counter, okm[:32]) == part, "part"
    assert rest == b"", "nothing behind the parts"
print(len(vectors["cases"]), "envelopes opened")
