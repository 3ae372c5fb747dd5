//! Logins in a browser, with a code each.

use super::*;
use std::collections::BTreeSet;
use strongroom_host::fill::{self, Browsers, Fills, Policies};
use strongroom_host_tests::{Chromium, LoginSite};

/// Two agents log in with one account at the same time, each in a page of its own. `STRONGROOM_LOGIN_RUNS` for all 50.
#[test]
fn two_agents_log_in_with_a_code_each() {
    let Some(chromium) = Chromium::start("logins with exclusive codes") else { return };
    let _alone = alone();
    let logins = std::env::var("STRONGROOM_LOGIN_RUNS").map_or(5, |_| 50);
    let (site, store) = (LoginSite::start(), Arc::new(MemoryStore::new()));
    let values = [("username", "u"), ("password", "p")];
    let credential = NewCredential { totp_secret: Some(SECRET.into()), ..new_credential("n", "localhost", &values) };
    let id = Vault::on(World::Vault, store.clone()).create(&credential).unwrap().id;
    // One clock for both, which moves on when a code is wanted that is not there yet.
    let caller = Caller::new(store);
    let mut policies = Policies::default();
    policies.allow_port(&id, site.port).unwrap();
    let fills = Fills::new(Browsers::parse([format!("agent={}", chromium.url()).as_str()]).unwrap(), policies);
    let log_in = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..logins {
            let page = chromium.open(&format!("{}code", site.url()));
            let arguments = json!({ "credential": "n", "page": page, "exclusive": true, "timeout_seconds": 60 });
            loop {
                let arguments = fill::Arguments::parse_all(arguments.as_object().unwrap()).unwrap();
                let (component, services) = (World::Vault.component(), caller.services.clone());
                match runtime.block_on(fills.run(component, services, "agent", arguments)) {
                    Ok(answer) => break assert_eq!(answer.status.as_str(), "submitted"),
                    Err(failure) => assert_eq!(failure.code, "code_taken", "{failure:?}"),
                }
                caller.clock.advance(STEP);
            }
            chromium.close(&page);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(log_in);
        scope.spawn(log_in);
    });
    let received = site.received();
    let codes: BTreeSet<_> =
        received.iter().map(|body| body.strip_prefix("username=u&password=p&otp=").unwrap()).collect();
    // No two of the codes of these steps are alike.
    assert_eq!((received.len(), codes.len()), (2 * logins, 2 * logins), "one login, one code: {received:?}");
}
