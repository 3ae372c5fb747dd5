//! Whether a page came over a connection that proves its host: a page that the agent's client answered by itself has no
//! certificate, and one that it fetched from elsewhere has that of elsewhere.

use crate::cdp::{Connection, Fault};
use base64ct::{Base64, Encoding};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::time::Duration;
use webpki::EndEntityCert;

/// How long the browser may take to tell the state of a page. It does so at once.
const EVENT_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the page in a session is what its https origin says. Asked after the document was looked at and before it is
/// written to: a document that goes away in between is not written to at all.
pub async fn is_secure(connection: &mut Connection, session: &str, origin: &str) -> Result<bool, Fault> {
    // Its first event tells the present state.
    connection.command(Some(session), "Security.disable", json!({})).await?;
    connection.forget_events();
    connection.command(Some(session), "Security.enable", json!({})).await?;
    match connection.security_event(session, EVENT_TIMEOUT).await {
        Ok(event) => Ok(host(origin).is_some_and(|host| proves(&event, host))),
        // It answers but does not say.
        Err(Fault::Silent) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// The host of an https origin, without brackets.
fn host(origin: &str) -> Option<&str> {
    let authority = origin.strip_prefix("https://")?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

fn proves(event: &Value, host: &str) -> bool {
    let Some(state) = event.pointer("/visibleSecurityState/certificateSecurityState") else { return false };
    let error = state.get("certificateNetworkError").and_then(Value::as_str).is_some_and(|error| !error.is_empty());
    let leaf = state.pointer("/certificate/0").and_then(Value::as_str);
    !error && leaf.and_then(|leaf| Base64::decode_vec(leaf).ok()).is_some_and(|leaf| covers(&leaf, host))
}

/// Whether the certificate's subject alternative names cover the host (RFC 9525).
fn covers(leaf: &[u8], host: &str) -> bool {
    let der = CertificateDer::from(leaf);
    let Ok(certificate) = EndEntityCert::try_from(&der) else { return false };
    ServerName::try_from(host).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(names: &[&str], error: Option<&str>) -> Value {
        let names = names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let certificate = rcgen::generate_simple_self_signed(names).unwrap();
        let mut state =
            json!({ "certificate": [Base64::encode_string(certificate.cert.der())], "protocol": "TLS 1.3" });
        if let Some(error) = error {
            state["certificateNetworkError"] = error.into();
        }
        json!({ "visibleSecurityState": { "securityState": "secure", "certificateSecurityState": state } })
    }

    #[test]
    fn the_certificate_covers_the_host() {
        let names = event(&["app.example.test", "*.wild.test", "127.0.0.1", "::1"], None);
        for good in ["https://app.example.test", "https://a.wild.test:8443", "https://127.0.0.1:1", "https://[::1]"] {
            assert!(host(good).is_some_and(|host| proves(&names, host)), "{good}");
        }
        for bad in [
            "https://example.test",
            "https://wild.test",
            "https://a.b.wild.test",
            "https://127.0.0.2",
            "https://",
            "null",
        ] {
            assert!(!host(bad).is_some_and(|host| proves(&names, host)), "{bad}");
        }
        assert_eq!(host("http://app.example.test"), None);
    }

    #[test]
    fn nothing_else_is_a_proof() {
        assert!(proves(&event(&["a.test"], Some("")), "a.test"));
        assert!(!proves(&event(&["a.test"], Some("net::ERR_CERT_AUTHORITY_INVALID")), "a.test"));
        for state in [
            json!({}),
            json!({ "certificate": [] }),
            json!({ "certificate": ["!"] }),
            json!({ "certificate": ["AAAA"] }),
        ] {
            let event =
                json!({ "visibleSecurityState": { "securityState": "secure", "certificateSecurityState": state } });
            assert!(!proves(&event, "a.test"));
        }
        assert!(!proves(&json!({ "visibleSecurityState": { "securityState": "neutral" } }), "a.test"));
    }
}
