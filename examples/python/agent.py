"""A Python program that has a vault in it, without a server.

pip install wasmtime
STRONGROOM_KEYS=... python agent.py strongroom-agent.wasm
"""

import sys
import threading

from vault import Error, Vault

vault = Vault(sys.argv[1])


def create(name):
    vault.call("create", {
        "name": name, "domain": f"{name}.example", "additional_domains": [], "description": None, "metadata": [],
        "archived": False, "values": [("username", "octo"), ("password", "hunter2")], "sso_provider": None,
        "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "totp_algorithm": None, "totp_digits": None, "totp_period": None,
    })


# All at once; none is lost.
names = ["codeberg", "github", "gitlab", "sourcehut"]
threads = [threading.Thread(target=create, args=[name]) for name in names]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

for name in names:
    print(f"{name}: {vault.call('totp-code', name, None).code}")

try:
    vault.call("get", "bitbucket")
except Error as error:
    print(error.code)
