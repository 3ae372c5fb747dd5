"""A vault inside a Python program: what it asks of its host, and how it is called. Needs the package wasmtime, 50 or later."""

import os
import threading
import time

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

# The records. They end with the process; put in their place what your program has.
records = {}

# One call at a time: the package wasmtime has variables that calls in other threads would change. So what is below is
# atomic, too; a store that other processes use has to be so by itself.
calling = threading.Lock()

# What the handles of the running call stand for: a bucket, of which there is one, or a comparison.
handles = {}
BUCKET, CAS = 1, 2


class Cas:
    def __init__(self, key):
        self.key, self.read, self.seen = key, False, None


def handle(kind, value):
    number = max(handles, default=0) + 1
    handles[number] = value
    return ResourceHost.own(number, kind)


def current(cas):
    cas.read, cas.seen = True, records.get(cas.key)
    return cas.seen


def swap(cas, value):
    """On this everything rests: it replaces the value that was seen, or nothing."""
    if cas.read and records.get(cas.key) != cas.seen:
        return Variant("cas-failed", handle(CAS, Cas(cas.key)))
    records[cas.key] = value
    return None


def increment(_bucket, key, delta):
    total = int.from_bytes(records.get(key, b""), "little", signed=True) + delta
    records[key] = total.to_bytes(8, "little", signed=True)
    return total


def record(fields):
    """A record of the interface: its names have dashes."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name.replace("_", "-"), value)
    return made


def now():
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return record({"seconds": seconds, "nanoseconds": nanoseconds})


# The list of keys and the resolution of the clock are asked for by no function of strongroom-agent.wasm.
IMPORTS = {
    "wasi:keyvalue/store@0.2.0-draft2": {
        "open": lambda name: handle(BUCKET, None),
        "[method]bucket.get": lambda bucket, key: records.get(key),
        "[method]bucket.set": lambda bucket, key, value: records.update({key: value}),
        "[method]bucket.delete": lambda bucket, key: records.pop(key, None) and None,
        "[method]bucket.exists": lambda bucket, key: key in records,
    },
    "wasi:keyvalue/atomics@0.2.0-draft2": {
        "[static]cas.new": lambda bucket, key: handle(CAS, Cas(key)),
        "[method]cas.current": current,
        "swap": swap,
        "increment": increment,
    },
    "wasi:config/store@0.2.0-draft-2024-09-27": {"get": lambda name: os.environ.get(name.upper())},
    "wasi:clocks/wall-clock@0.2.12": {"now": now},
    "wasi:random/random@0.2.12": {
        "get-random-bytes": os.urandom,
        "get-random-u64": lambda: int.from_bytes(os.urandom(8), "little"),
    },
}


def given(function):
    """With what handles stand for in their place. Each must be taken, and one that is given away ends."""

    def take(store, argument):
        if not isinstance(argument, ResourceAny):
            return argument
        taken = argument.to_host(store)
        return handles.pop(taken.rep) if taken.owned else handles[taken.rep]

    return lambda store, *arguments: function(*(take(store, argument) for argument in arguments))


class Error(Exception):
    """Why a call failed: `code` is stable, `message` is for people."""

    def __init__(self, error):
        super().__init__(f"{error.code}: {error.message}")
        self.code = error.code


class Vault:
    def __init__(self, path):
        self.engine = Engine()
        self.component = Component.from_file(self.engine, path)
        self.linker = Linker(self.engine)
        with self.linker.root() as root:
            for name, functions in IMPORTS.items():
                with root.add_instance(name) as instance:
                    for resource, kind in (("bucket", BUCKET), ("cas", CAS)):
                        if any(f"]{resource}." in function for function in functions):
                            forget = lambda store, number: handles.pop(number, None) and None
                            instance.add_resource(resource, ResourceType.host(kind), forget)
                    for function, implementation in functions.items():
                        instance.add_func(function, given(implementation))

    def call(self, function, *arguments, interface="credentials"):
        """A function of `strongroom:vault`; dicts are records. In a fresh instance, so that nothing of it is left."""
        arguments = [record(argument) if isinstance(argument, dict) else argument for argument in arguments]
        with calling:
            handles.clear()
            store = Store(self.engine)
            instance = self.linker.instantiate(store, self.component)
            exports = instance.get_export_index(store, f"strongroom:vault/{interface}@0.1.0")
            answer = instance.get_func(store, instance.get_export_index(store, function, exports))(store, *arguments)
        if answer.tag == "err":
            raise Error(answer.payload)
        return answer.payload
