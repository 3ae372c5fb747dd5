//! What the log and the audit say of a login: origins and words, nothing of the page and no value.

use strongroom_login::{Answer, Failure};

/// The longest origin that the audit takes.
const ORIGIN_MAX_BYTES: usize = 300;

/// A page that was filled, or where it was refused: nothing is filled then.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub origin: String,
    /// Kinds of values, not their names.
    pub filled: Vec<String>,
}

/// The status or the code of an answer.
pub fn outcome(result: &Result<Answer, Failure>) -> &str {
    match result {
        Ok(answer) => answer.status.as_str(),
        Err(failure) => &failure.code,
    }
}

/// The pages of a login, the one where it was refused last.
pub fn steps(result: &Result<Answer, Failure>) -> Vec<Step> {
    let (steps, refused) = match result {
        Ok(answer) => (&answer.steps, None),
        Err(failure) => (&failure.steps, failure.origin.as_deref()),
    };
    let filled = steps.iter().map(|step| Step {
        origin: plain(&step.origin),
        filled: step.filled.iter().map(|role| role.kind().to_owned()).collect(),
    });
    let mut all: Vec<Step> = filled.collect();
    // A page that was filled and then failed says so already.
    if let Some(origin) = refused.map(plain).filter(|origin| all.last().is_none_or(|last| last.origin != *origin)) {
        all.push(Step { origin, filled: Vec::new() });
    }
    all
}

/// One line of the log for each login.
pub fn log(caller: &str, browser: Option<&str>, credential: Option<&str>, result: &Result<Answer, Failure>) {
    let pages: Vec<_> = steps(result).iter().map(|step| format!("{}:{}", step.origin, step.filled.join("+"))).collect();
    let pages = if pages.is_empty() { "-".to_owned() } else { pages.join(",") };
    let (outcome, credential, browser) = (outcome(result), credential.unwrap_or("-"), browser.unwrap_or("-"));
    tracing::info!(
        target: "strongroom",
        "login {outcome} credential={credential} browser={browser} steps={pages} token={caller}"
    );
}

/// Origins are as the browser writes them, and hold nothing else; one that is no browser could write what it likes.
fn plain(origin: &str) -> String {
    origin.chars().filter(char::is_ascii_graphic).take(ORIGIN_MAX_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_login::{Role, Step as Filled, ValuesLeft};

    #[test]
    fn a_failure_names_the_page_that_it_is_about() {
        let step = |origin: &str| Filled {
            origin: origin.to_owned(),
            filled: vec![Role::Username, Role::Other("secret question".into())],
            submitted: true,
            values_left: ValuesLeft::None,
        };
        let failed = |steps, origin: Option<&str>| {
            let origin = origin.map(Into::into);
            Err(Failure { steps, origin, ..Failure::new("origin_refused", "refused") })
        };
        let first = Step { origin: "https://a.example".into(), filled: vec!["username".into(), "other".into()] };
        let refused = Step { origin: "https://evil.example".into(), filled: Vec::new() };
        let elsewhere = failed(vec![step("https://a.example")], Some("https://evil.example"));
        assert_eq!((outcome(&elsewhere), steps(&elsewhere)), ("origin_refused", vec![first, refused]));
        assert_eq!(steps(&failed(vec![step("https://a.example")], Some("https://a.example"))).len(), 1);
        assert_eq!(steps(&failed(Vec::new(), None)), []);
        let long = format!("https://a b\n{}", "c".repeat(400));
        let written = &steps(&failed(Vec::new(), Some(&long)))[0].origin;
        assert!(written.len() == 300 && written.starts_with("https://abc"), "{written}");
    }
}
