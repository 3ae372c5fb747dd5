"""Between a SQLite file in the layout of Spin's key-value store and {"store": {"key": "base64"}}, by Spin's own statements.

usage: sqlite.py read DATABASE ROWS | write DATABASE ROWS
"""

import base64
import json
import sqlite3
import sys

direction, database, rows = sys.argv[1:]
connection = sqlite3.connect(database)
connection.execute(
    "CREATE TABLE IF NOT EXISTS spin_key_value ("
    "store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))"
)
# Name, type, not null, place in the primary key.
columns = [(row[1], row[2], row[3], row[5]) for row in connection.execute("PRAGMA table_info(spin_key_value)")]
assert columns == [("store", "TEXT", 1, 1), ("key", "TEXT", 1, 2), ("value", "BLOB", 1, 0)], columns

if direction == "read":
    stores = {"default": {}}
    for store, key, value in connection.execute("SELECT store, key, value FROM spin_key_value"):
        assert isinstance(value, bytes), key
        stores.setdefault(store, {})[key] = base64.b64encode(value).decode()
    with open(rows, "w") as file:
        json.dump(stores, file)
else:
    with open(rows) as file:
        stores = json.load(file)
    for store, records in stores.items():
        for (key,) in connection.execute("SELECT key FROM spin_key_value WHERE store=?", [store]).fetchall():
            if key not in records:
                connection.execute("DELETE FROM spin_key_value WHERE store=? AND key=?", [store, key])
        for key, value in records.items():
            connection.execute(
                "INSERT INTO spin_key_value (store, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT(store, key) DO UPDATE SET value=excluded.value",
                [store, key, base64.b64decode(value)],
            )
    connection.commit()
connection.close()
