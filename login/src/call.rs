//! One call from beginning to end: the page, its steps, the answer.

use crate::answer::{Answer, Page, Status, ValuesLeft};
use crate::cdp::{Browser, Connection, Fault};
use crate::facts::Facts;
use crate::failure::{Code, Failure, Result};
use crate::judge::{Plan, asks_password, recognise, select};
use crate::request::{Policy, Request};
use crate::role::Role;
use crate::step::{self, Done};
use crate::supplier::{Refusal, Supplier};
use crate::tab::{Frame, Handle, Tab, Targets};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many pages are looked at to find the one that is meant.
const MAX_PAGES: usize = 50;

/// How long a page that is loaded may take to show the field of the password, or of the code, which not every login has.
const PASSWORD_WAIT: Duration = Duration::from_secs(3);
const CODE_WAIT: Duration = Duration::from_secs(1);

/// How long a password field must stay in a page that was sent until it counts as asked again.
const ASKED_AGAIN: Duration = Duration::from_millis(800);

const POLL: Duration = Duration::from_millis(100);

/// What lasts as long as one call.
pub struct Call<'c, S> {
    pub connection: Connection,
    pub request: &'c Request,
    pub policy: &'c Policy,
    pub supplier: &'c S,
    pub deadline: Instant,
    /// What the supplier said about origins, in this round.
    verdicts: HashMap<String, Result<Known, Failure>>,
    /// Closed shadow roots are looked into.
    closed: bool,
}

/// What is known of the credential without its values.
#[derive(Clone)]
struct Known {
    id: String,
    name: String,
    fields: Vec<String>,
    has_code: bool,
}

/// A frame that can be filled.
struct Fit {
    frame: Frame,
    plan: Plan,
    known: Known,
    /// The origin of the page around it, or its own.
    top: String,
}

/// Logs in with the credential that the supplier stands for.
///
/// Once values are written, dropping the future leaves them in the page until its timer clears them: run it to its end,
/// in a task of its own if the caller can go away.
pub async fn fill<S: Supplier>(
    browser: &Browser,
    request: &Request,
    policy: &Policy,
    supplier: &S,
) -> Result<Answer, Failure> {
    check(request)?;
    let deadline = Instant::now() + request.timeout;
    let connection = Connection::open(browser, deadline).await?;
    let verdicts = HashMap::new();
    let mut call = Call { connection, request, policy, supplier, deadline, verdicts, closed: false };
    let result = call.run().await;
    call.connection.close().await;
    result
}

fn check(request: &Request) -> Result<()> {
    let bad = |message| Err(Failure::with_message(Code::BadRequest, message));
    if !(1..=Request::MAX_STEPS).contains(&request.steps) {
        return bad("`steps` must be 1-4");
    }
    if request.timeout.is_zero() || request.timeout > Request::MAX_TIMEOUT {
        return bad("`timeout_seconds` must be 1-60");
    }
    if request.fields.len() > Request::MAX_FIELDS {
        return bad("`fields` must be at most 16");
    }
    let mut names: Vec<Role> = Vec::new();
    for field in &request.fields {
        let role = Role::of_field(&field.field);
        if names.contains(&role) {
            return bad("`fields` names a field twice");
        }
        names.push(role);
    }
    Ok(())
}

impl<S: Supplier> Call<'_, S> {
    async fn run(&mut self) -> Result<Answer> {
        let (mut tab, fit) = self.find_page().await?;
        let page = Page { id: tab.id.clone(), origin: fit.top.clone() };
        let known = fit.known.clone();
        let mut answer = Answer {
            status: Status::Submitted,
            credential: (known.id.clone(), known.name.clone()),
            page,
            steps: Vec::new(),
            remaining: Vec::new(),
        };
        let mut pending: Vec<(usize, Handle)> = Vec::new();
        let ended = self.steps(&mut tab, fit, &mut answer, &mut pending).await;
        // What the last part of a document no longer needs.
        for (at, handle) in pending {
            let left = step::clear(self, &handle).await;
            if let Some(step) = answer.steps.get_mut(at) {
                step.values_left = left;
            }
        }
        if let Err(mut failure) = ended {
            failure.steps = answer.steps;
            return Err(failure);
        }
        let filled = |role: &Role| answer.steps.iter().any(|step| step.filled.contains(role));
        let own = [Role::Username, Role::Password, Role::Totp];
        answer.remaining = own.into_iter().filter(|role| known.has(role, false) && !filled(role)).collect();
        Ok(answer)
    }

    /// Fills document after document, as far as they ask for something.
    async fn steps(
        &mut self,
        tab: &mut Tab,
        first: Fit,
        answer: &mut Answer,
        pending: &mut Vec<(usize, Handle)>,
    ) -> Result<()> {
        let mut next = Some(first);
        let mut done: Vec<Role> = Vec::new();
        while let Some(mut fit) = next.take() {
            fit.plan.parts.retain(|part| fit.known.has(&part.role, part.wants_email));
            if fit.plan.parts.is_empty() {
                if answer.steps.is_empty() {
                    answer.status = Status::NothingToFill;
                }
                return Ok(());
            }
            let Done { step, pending: more } = match step::run(self, tab, &fit.top, &fit.frame, &fit.plan, &done).await
            {
                Ok(done) => done,
                Err((failure, step)) => {
                    answer.steps.extend(step);
                    return Err(failure.at(&fit.frame.facts.origin));
                }
            };
            done.extend(step.filled.iter().cloned());
            pending.extend(more.map(|handle| (answer.steps.len(), handle)));
            let left = step.values_left;
            answer.steps.push(step);
            if left == ValuesLeft::Masked {
                answer.status = Status::Filled;
                return Ok(());
            }
            // A code is the last that is asked for.
            let more = answer.steps.len() < self.request.steps && !done.contains(&Role::Totp);
            let wanted = |role: &Role| more && fit.known.has(role, false) && !done.contains(role);
            let wanted: Vec<Role> = [Role::Password, Role::Totp].into_iter().filter(wanted).collect();
            // Fields that were cleared only at the end of the watch show nothing by still being there.
            let origin = (left != ValuesLeft::Cleared).then_some(fit.frame.facts.origin.as_str());
            match self.next(tab, origin, &done, &wanted).await? {
                Next::Fits(fit) => next = Some(*fit),
                Next::AskedAgain => answer.status = Status::AskedAgain,
                Next::Nothing => {}
            }
        }
        Ok(())
    }

    /// What the page shows after it was sent: its next field, the password field again, or neither.
    /// `origin`: where a password field means that.
    async fn next(&mut self, tab: &mut Tab, origin: Option<&str>, done: &[Role], wanted: &[Role]) -> Result<Next> {
        let again = origin.filter(|_| done.contains(&Role::Password));
        if again.is_none() && wanted.is_empty() {
            return Ok(Next::Nothing);
        }
        let quiet = if wanted.contains(&Role::Password) { PASSWORD_WAIT } else { CODE_WAIT };
        let (mut quiet_since, mut password_since) = (None, None);
        let mut refused = None;
        while Instant::now() < self.deadline {
            let frames = match tab.look(&mut self.connection, &[], self.closed).await {
                Ok(frames) => frames,
                // The page was closed, as pop-ups are after a login.
                Err(fault) if fault.is_gone() => return Ok(Next::Nothing),
                // All that had to go out has.
                Err(fault) if fault.is_fatal() && !wanted.contains(&Role::Password) => return Ok(Next::Nothing),
                Err(fault) if fault.is_fatal() => return Err(fault.into()),
                Err(_) => Vec::new(),
            };
            if !wanted.is_empty() {
                match self.assess(&frames, done, false).await? {
                    Ok(fit) => return Ok(Next::Fits(Box::new(fit))),
                    Err(failure) => refused = Some(failure),
                }
            }
            let asks = |frame: &Frame| Some(frame.facts.origin.as_str()) == again && asks_password(&frame.facts);
            if frames.iter().any(asks) {
                let since = *password_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= ASKED_AGAIN {
                    return Ok(Next::AskedAgain);
                }
            } else if frames.iter().any(|frame| frame.is_top && frame.facts.ready) {
                password_since = None;
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if wanted.is_empty() || since.elapsed() >= quiet {
                    break;
                }
            } else {
                (quiet_since, password_since) = (None, None);
            }
            tokio::time::sleep(POLL).await;
        }
        match refused {
            // A code that is not asked for here is no fault; a password that must not go where it is asked for is one.
            Some(failure) if wanted.contains(&Role::Password) && !failure.is(Code::NoFields) => Err(failure),
            _ => Ok(Next::Nothing),
        }
    }

    /// The page that is meant, and what is to be filled there.
    async fn find_page(&mut self) -> Result<(Tab, Fit)> {
        let mut pages = Targets::ask(&mut self.connection).await?.pages;
        if let Some(wanted) = &self.request.page {
            pages.retain(|page| page.id == *wanted || page.url == *wanted);
            match pages.as_slice() {
                [] => return Err(Code::PageNotFound.into()),
                [_] => {}
                several => {
                    let pages = several.iter().map(|page| Page { id: page.id.clone(), origin: String::new() });
                    return Err(Failure { pages: pages.collect(), ..Code::AmbiguousPage.into() });
                }
            }
        }
        pages.truncate(MAX_PAGES);
        for closed in [false, true] {
            self.closed = closed;
            match self.find_among(&pages.iter().map(|page| page.id.clone()).collect::<Vec<_>>()).await {
                // Nothing in the open: only then is it worth asking for the whole tree.
                Err(failure) if !closed && failure.is(Code::NoFields) => {}
                found => return found,
            }
        }
        Err(Code::NoFields.into())
    }

    async fn find_among(&mut self, pages: &[String]) -> Result<(Tab, Fit)> {
        let names: Vec<String> = self.request.fields.iter().map(|field| field.selector.clone()).collect();
        let selectors: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for id in pages {
            let mut tab = Tab::new(id.clone());
            let frames = match tab.look(&mut self.connection, &selectors, self.closed).await {
                Ok(frames) => frames,
                Err(fault) if fault.is_fatal() || pages.len() == 1 => return Err(fault.into()),
                Err(_) => continue,
            };
            let front = frames.iter().any(|frame| frame.is_top && frame.facts.front);
            match self.assess(&frames, &[], !selectors.is_empty()).await? {
                Ok(fit) => found.push((tab, fit, front)),
                Err(failure) => {
                    failures.push((failure, front));
                    self.leave(&tab).await;
                }
            }
        }
        if found.len() > 1 && found.iter().filter(|(.., front)| *front).count() == 1 {
            found.retain(|(.., front)| *front);
        }
        match found.len() {
            1 => found.pop().map(|(tab, fit, _)| (tab, fit)).ok_or_else(|| Code::NoFields.into()),
            0 => {
                // The most telling: that of the page in front, if it says anything.
                let mut failures: Vec<_> =
                    failures.into_iter().filter(|(failure, _)| !failure.is(Code::NoFields)).collect();
                failures.sort_by_key(|(_, front)| !front);
                Err(failures.into_iter().next().map_or(Code::NoFields.into(), |(failure, _)| failure))
            }
            _ => {
                let pages = found.iter().map(|(tab, fit, _)| Page { id: tab.id.clone(), origin: fit.top.clone() });
                Err(Failure { pages: pages.collect(), ..Code::AmbiguousPage.into() })
            }
        }
    }

    /// Leaves a page that is not the one.
    async fn leave(&mut self, tab: &Tab) {
        if let Some(session) = tab.session() {
            let _ = self.connection.command(None, "Target.detachFromTarget", json!({ "sessionId": session })).await;
        }
    }

    /// The one frame of a page that can be filled, or why none can. The outer error ends the call.
    async fn assess(&mut self, frames: &[Frame], done: &[Role], named: bool) -> Result<Result<Fit>> {
        // What was allowed a step ago need not be now.
        self.verdicts.clear();
        let top = frames.iter().find(|frame| frame.is_top).map(|frame| frame.facts.origin.clone()).unwrap_or_default();
        let (mut fits, mut failures): (Vec<Fit>, Vec<Failure>) = (Vec::new(), Vec::new());
        for frame in frames {
            let mut plan = match self.plan(&frame.facts, done, named) {
                Ok(Some(plan)) => plan,
                Ok(None) => continue,
                Err(failure) => {
                    failures.push(failure.at(&frame.facts.origin));
                    continue;
                }
            };
            match self.allow(&frame.facts, &plan).await {
                Ok(known) => {
                    for part in &mut plan.parts {
                        part.role = part.role.clone().of_stored(known.fields.iter().map(String::as_str));
                    }
                    fits.push(Fit { frame: frame.clone(), plan, known, top: top.clone() });
                }
                Err(failure) if is_verdict(&failure) => failures.push(failure.at(&frame.facts.origin)),
                Err(failure) => return Err(failure.at(&frame.facts.origin)),
            }
        }
        if fits.len() > 1 {
            let with_password = |fit: &Fit| fit.plan.has(&Role::Password);
            if fits.iter().filter(|fit| with_password(fit)).count() == 1 {
                fits.retain(with_password);
            }
        }
        Ok(match fits.len() {
            0 => {
                let telling = failures.iter().position(|failure| !failure.is(Code::NoFields)).unwrap_or(0);
                Err(if failures.is_empty() { Code::NoFields.into() } else { failures.swap_remove(telling) })
            }
            1 => fits.pop().ok_or_else(|| Code::NoFields.into()),
            _ => Err(Code::AmbiguousFields.into()),
        })
    }

    fn plan(&self, facts: &Facts, done: &[Role], named: bool) -> Result<Option<Plan>> {
        if named {
            let names: Vec<String> = self.request.fields.iter().map(|field| field.field.clone()).collect();
            return select(facts, &names);
        }
        recognise(facts, done).map(Some)
    }

    /// Whether the values may go into this document and to where its form sends them.
    async fn allow(&mut self, facts: &Facts, plan: &Plan) -> Result<Known> {
        let known = self.verdict(&facts.origin).await?;
        if !self.policy.allow_embedded {
            for ancestor in &facts.ancestors {
                self.verdict(ancestor).await.map_err(|failure| match is_verdict(&failure) {
                    true => Failure::with_message(
                        Code::OriginRefused,
                        "the form is in a frame of a page that the credential does not belong to",
                    ),
                    false => failure,
                })?;
            }
        }
        if let Some(destination) = &plan.destination
            && !self.policy.allow_form_origins.contains(destination)
        {
            self.verdict(destination).await.map_err(|failure| match is_verdict(&failure) {
                true => Code::FormLeavesDomain.into(),
                false => failure,
            })?;
        }
        Ok(known)
    }

    async fn verdict(&mut self, origin: &str) -> Result<Known> {
        if let Some(verdict) = self.verdicts.get(origin) {
            return verdict.clone();
        }
        if !["https://", "http://"].iter().any(|scheme| origin.starts_with(scheme)) {
            // Of a sandboxed frame, a file, an extension.
            return Err(Code::OriginRefused.into());
        }
        let verdict = match port_is_allowed(origin, &self.policy.allow_ports) {
            true => match self.supplier.supply(origin, None).await {
                Ok(supplied) => Ok(Known {
                    id: supplied.id,
                    name: supplied.name,
                    fields: supplied.values.into_iter().map(|(field, _)| field).collect(),
                    has_code: supplied.has_code,
                }),
                Err(refusal) => Err(refusal.into()),
            },
            false => Err(Failure::with_message(
                Code::OriginRefused,
                "on this machine and on addresses another port is another program; the operator has not allowed this one",
            )),
        };
        self.verdicts.insert(origin.to_owned(), verdict.clone());
        verdict
    }
}

enum Next {
    Fits(Box<Fit>),
    AskedAgain,
    Nothing,
}

impl Known {
    fn has(&self, role: &Role, wants_email: bool) -> bool {
        match role {
            Role::Totp => self.has_code,
            role => role.find(self.fields.iter().map(String::as_str), wants_email).is_some(),
        }
    }
}

/// Whether it is about this document only, and another may do.
fn is_verdict(failure: &Failure) -> bool {
    failure.code == Refusal::ORIGIN || failure.is(Code::FormLeavesDomain)
}

/// On `localhost` and on addresses only the scheme's own port and those that the operator names. Ports of web names
/// belong to the same operator, and `supply` does not look at them.
fn port_is_allowed(origin: &str, allowed: &[u16]) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return true };
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let local = host == "localhost" || host.ends_with(".localhost");
    if !local && host.parse::<std::net::IpAddr>().is_err() {
        return true;
    }
    let own = if scheme == "https" { 443 } else { 80 };
    match port {
        // A browser leaves the scheme's own port out.
        None => true,
        Some(port) => port.parse::<u16>().is_ok_and(|port| port == own || allowed.contains(&port)),
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost => Failure::with_message(
                Code::BrowserUnavailable,
                "the browser is not running, or its debugging port is another",
            ),
            Fault::Silent => Failure::with_message(Code::BrowserUnavailable, "the browser did not answer in time"),
            fault if fault.is_gone() => Code::DocumentChanged.into(),
            Fault::Strange | Fault::Refused(_) | Fault::Threw | Fault::Detached => Code::BrowserUnavailable.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::FieldSelector;

    #[test]
    fn other_ports_of_this_machine_are_other_programs() {
        for good in [
            "https://app.test:8443",
            "https://localhost",
            "http://localhost",
            "http://localhost:3000",
            "http://[::1]:3000",
            "http://127.0.0.1:80",
            "null",
        ] {
            assert!(port_is_allowed(good, &[3000]), "{good}");
        }
        for bad in [
            "http://localhost:3001",
            "https://a.localhost:1",
            "http://127.0.0.1:443",
            "http://[::1]:1",
            "http://10.0.0.1:x",
        ] {
            assert!(!port_is_allowed(bad, &[3000]), "{bad}");
        }
    }

    #[test]
    fn requests_have_bounds() {
        let good = Request::default();
        assert!(check(&good).is_ok());
        let field = |name: &str| FieldSelector { field: name.into(), selector: "#a".into() };
        for bad in [
            Request { steps: 0, ..good.clone() },
            Request { steps: 5, ..good.clone() },
            Request { timeout: Duration::ZERO, ..good.clone() },
            Request { timeout: Duration::from_secs(61), ..good.clone() },
            Request { fields: vec![field("a"); 17], ..good.clone() },
            Request { fields: vec![field("password"), field("PASS")], ..good.clone() },
        ] {
            assert_eq!(check(&bad).unwrap_err().code, "bad_request");
        }
    }
}
