//! The vault's rule about origins is the only one: for every pair of a domain and an origin of its own tests, a real page
//! of that origin gets what the rule says, and nothing else.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::driver::Agent;
use common::site::Site;
use std::collections::BTreeSet;
use strongroom::credential::Domain;
use strongroom::origin::{HttpOrigins, Origin};
use strongroom_login::{CodeOptions, Policy, Refusal, Request, SecretString, Supplied, Supplier, fill};

/// The table of the core's `src/origin`.
#[path = "../../src/origin/tests/pairs.rs"]
#[allow(dead_code, reason = "the rules' texts are for the core's own tests")]
mod pairs;

/// A credential of one domain, under the vault's rule.
struct Credential(Domain);

impl Credential {
    fn allows(&self, origin: &str) -> bool {
        Origin::parse(origin, &HttpOrigins::default()).and_then(|origin| origin.check([&self.0].into_iter())).is_ok()
    }
}

impl Supplier for Credential {
    async fn supply(&self, origin: &str, _: Option<CodeOptions>) -> Result<Supplied, Refusal> {
        if !self.allows(origin) {
            return Err(Refusal::new(Refusal::ORIGIN, "refused"));
        }
        let values = [("username", "u"), ("password", "p")];
        let values = values.map(|(field, value)| (field.to_owned(), SecretString::new(value.to_owned())));
        Ok(Supplied { id: "i".into(), name: "n".into(), values: values.into(), has_code: false, code: None })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_what_the_rule_says() {
    let site = Site::start().await;
    let rules = format!("MAP * 127.0.0.1:{}", site.port);
    let Some(chromium) = Chromium::start_with("verdicts on real pages", &site, &rules) else { return };
    let mut agent = Agent::connect(chromium.port).await;
    let tab = agent.open("https://app.example.test/plain").await;
    let policy = Policy { allow_certificate_errors: true, allow_ports: (1..=u16::MAX).collect(), ..Policy::default() };
    let request =
        Request { page: Some(tab.id.clone()), submit: false, timeout: Request::MAX_TIMEOUT, ..Request::default() };
    let (mut released, mut refused, mut seen) = (0, 0, BTreeSet::new());
    for (domain, origin, _) in pairs::ALL.into_iter().flatten() {
        let (Ok(domain), Some(rest)) = (Domain::parse(domain), origin.strip_prefix("https://")) else { continue };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let url = format!("https://{authority}/plain");
        if !agent.try_go(&tab, &url).await {
            continue;
        }
        // As the browser has read it, which is all that counts.
        let actual = agent.evaluate(&tab, "self.origin").await.as_str().unwrap_or_default().to_owned();
        if !seen.insert((domain.as_str().to_owned(), actual.clone())) {
            continue;
        }
        let credential = Credential(domain);
        let result = fill(&chromium.browser(), &request, &policy, &credential).await;
        let filled = agent.evaluate(&tab, "pass.value").await == "p";
        match credential.allows(&actual) {
            true => assert!(result.is_ok() && filled, "{} on {actual}: {result:?}", credential.0.as_str()),
            false => {
                let code = result.map_err(|failure| failure.code).unwrap_err();
                assert_eq!((code.as_str(), filled), ("origin_refused", false), "{} on {actual}", credential.0.as_str());
            }
        }
        if filled { released += 1 } else { refused += 1 }
    }
    println!("{released} released, {refused} refused");
    assert!(released >= 15 && refused >= 15, "{released} {refused}");
}
