// A JavaScript program that has a vault in it, without a server. See README.md for how it is run.
//
//   jco transpile strongroom-vault.wasm -o vault --map 'wasi:keyvalue/*=../store.mjs' --map 'wasi:config/*=../store.mjs'
//   node agent.mjs

import { credentials, supply } from './vault/strongroom-vault.js';

credentials.create({
  name: 'github', domain: 'github.com', additionalDomains: [], metadata: [], archived: false,
  values: [['username', 'octo'], ['password', 'hunter2']],
  totpSecret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
});

const { items } = credentials.list({ origin: 'https://github.com/login', archived: false, deleted: false });
console.log(items.map(({ name, domain }) => `${name} at ${domain}`).join('\n'));

const { code, validForSeconds } = credentials.totpCode('github', undefined);
console.log(`code of ${code.length} digits`, validForSeconds > 0);

// What is not found, and anything else that goes wrong, is thrown; `payload` says what.
try {
  credentials.get('gitlab');
} catch (error) {
  console.log(error.payload.code);
}

// Only the host side of a login flow should have this interface: strongroom-agent.wasm is without it.
console.log(supply.supply('github', 'https://github.com/login', undefined).values.map(([field]) => field).join(', '));
