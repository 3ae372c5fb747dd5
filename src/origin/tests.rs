mod pairs;

use super::*;
use pairs::{ADDRESS, NOT_BELOW, OTHER_OWNERS, Outcome, RELEASED, SCHEME};

fn check(domains: &[&str], origin: &str, http: &str) -> Result<()> {
    let domains: Vec<_> = domains.iter().map(|domain| Domain::parse(domain).unwrap()).collect();
    Origin::parse(origin, &HttpOrigins::parse(http).unwrap())?.check(domains.iter())
}

#[track_caller]
fn assert_outcome(result: Result<()>, expected: Outcome) {
    match (result, expected) {
        (Ok(()), None) => {}
        (Ok(()), Some(_)) => panic!("released"),
        (Err(error), None) => panic!("refused: {}", error.message()),
        (Err(error), Some(rule)) => {
            assert_eq!(error.code(), Code::OriginRefused);
            assert!(error.message().starts_with("origin must"), "{}", error.message());
            assert!(error.message().contains(rule), "{}", error.message());
            assert!(error.message().len() <= 300);
        }
    }
}

#[test]
fn pairs_have_their_outcomes() {
    for (domain, origin, expected) in pairs::ALL.into_iter().flatten() {
        std::println!("{domain} to {origin:?}");
        assert_outcome(check(&[domain], origin, ""), *expected);
    }
    assert!(pairs::ALL.iter().map(|table| table.len()).sum::<usize>() >= 240);
}

#[test]
fn several_sites_are_each_as_good_as_one() {
    let sites = ["example.com", "example.co.uk", "nas", "192.168.1.10", "github.io", "xn--bcher-kva.example"];
    for (origin, expected) in [
        ("https://example.com", RELEASED),
        ("https://login.example.com", RELEASED),
        ("https://login.example.co.uk", RELEASED),
        ("https://nas", RELEASED),
        ("https://192.168.1.10", RELEASED),
        ("https://github.io", RELEASED),
        ("https://b\u{fc}cher.example", RELEASED),
        ("https://alice.github.io", OTHER_OWNERS),
        ("https://x.nas", OTHER_OWNERS),
        ("https://co.uk", NOT_BELOW),
        ("https://example.org", NOT_BELOW),
        ("https://evil-example.com", NOT_BELOW),
        ("https://192.168.1.11", ADDRESS),
        ("http://nas", SCHEME),
    ] {
        std::println!("{origin}");
        assert_outcome(check(&sites, origin, ""), expected);
    }
    // A suffix on the way from one site is none on the way from another.
    assert_outcome(check(&["amazonaws.com", "s3.amazonaws.com"], "https://s3.amazonaws.com", ""), RELEASED);
    assert_outcome(check(&["github.io", "alice.github.io"], "https://www.alice.github.io", ""), RELEASED);
    assert_outcome(check(&["192.0.2.1", "::1"], "https://example.com", ""), ADDRESS);
    assert_outcome(check(&[], "https://example.com", ""), ADDRESS);
}

#[test]
fn http_goes_where_the_setting_says() {
    let http = "nas 192.168.1.10:8080 http://printer.example.com [fd00::1]";
    for (domain, origin, expected) in [
        ("nas", "http://nas", RELEASED),
        ("nas", "http://nas:5001/login", RELEASED),
        ("nas", "https://nas:5001/login", RELEASED),
        ("192.168.1.10", "http://192.168.1.10:8080", RELEASED),
        ("192.168.1.10", "http://192.168.1.10", SCHEME),
        ("192.168.1.10", "https://192.168.1.10", RELEASED),
        ("printer.example.com", "http://printer.example.com:80", RELEASED),
        ("example.com", "http://printer.example.com", RELEASED),
        ("example.com", "http://example.com", SCHEME),
        ("fd00::1", "http://[fd00::1]:1234", RELEASED),
        // The setting lets a page be http, it does not change whose it is.
        ("nas2", "http://nas", NOT_BELOW),
        ("nas", "http://x.nas", SCHEME),
        ("nas", "ftp://nas", SCHEME),
        ("192.168.1.11", "http://192.168.1.10:8080", ADDRESS),
    ] {
        std::println!("{domain} to {origin:?}");
        assert_outcome(check(&[domain], origin, http), expected);
    }
}

#[test]
fn lists_the_domains_that_are_released() {
    for (origin, expected) in [
        ("https://nid.naver.com/login", &["nid.naver.com", "naver.com"][..]),
        ("https://a.b.example.co.uk", &["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]),
        ("https://example.com", &["example.com"]),
        ("https://com", &["com"]),
        ("https://co.uk", &["co.uk"]),
        ("https://bucket.s3.amazonaws.com", &["bucket.s3.amazonaws.com"]),
        ("https://nas", &["nas"]),
        ("http://localhost:3000", &["localhost"]),
        ("http://x.app.localhost", &["x.app.localhost", "app.localhost"]),
        ("https://192.0.2.1", &["192.0.2.1"]),
        ("https://[2001:db8::1]", &["2001:db8::1"]),
        ("https://shop.b\u{fc}cher.example", &["shop.xn--bcher-kva.example", "xn--bcher-kva.example"]),
    ] {
        let page = Origin::parse(origin, &HttpOrigins::default()).unwrap();
        assert!(page.domains().iter().map(Domain::as_str).eq(expected.iter().copied()), "{origin}");
    }
}

#[test]
fn refusals_do_not_echo() {
    for origin in [
        "https://canary.test",
        "http://canary.example.com",
        "canary",
        "https://canary@example.com",
        "https://can\u{e1}ry",
    ] {
        let error = check(&["example.com"], origin, "").unwrap_err();
        assert!(!error.message().contains("can"), "{origin}");
    }
}

mod properties {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    proptest! {
        /// What `list` finds for a page is what `supply` releases to it.
        #[test]
        fn listed_is_released(
            host in "([a-c]{1,2}\\.){0,3}(example\\.com|co\\.uk|github\\.io|nas|localhost|amazonaws\\.com|192\\.0\\.2\\.1)",
            domain in "([a-c]{1,2}\\.){0,2}(example\\.com|co\\.uk|github\\.io|nas|localhost|amazonaws\\.com|192\\.0\\.2\\.1)",
        ) {
            let (Ok(page), Ok(domain)) =
                (Origin::parse(&alloc::format!("https://{host}"), &HttpOrigins::default()), Domain::parse(&domain))
            else {
                return Ok(());
            };
            prop_assert_eq!(page.check([&domain].into_iter()).is_ok(), page.domains().contains(&domain));
            for listed in page.domains() {
                prop_assert!(page.check([&listed].into_iter()).is_ok());
            }
        }

        #[test]
        fn never_panics(origin: String) {
            let _ = check(&["example.com"], &origin, "nas");
        }

        /// Whatever is released is released to a host that is the domain or ends in a dot and the domain, as an
        /// independent reading of the URL finds it.
        #[test]
        fn released_only_to_the_domain(
            scheme in "https?", before in "[a-e.:@/\\\\?#%]{0,12}", after in "[a-e.:@/\\\\?#%]{0,12}",
        ) {
            let origin = alloc::format!("{scheme}://{before}example.com{after}");
            if check(&["example.com"], &origin, "").is_ok() {
                let authority = origin.strip_prefix("https://").unwrap();
                let end = authority.find(['/', '\\', '?', '#']).unwrap_or(authority.len());
                let host = authority[..end].split(':').next().unwrap().trim_end_matches('.');
                prop_assert!(host == "example.com" || host.ends_with(".example.com"));
                prop_assert!(!authority[..end].contains('@'));
            }
        }
    }
}
