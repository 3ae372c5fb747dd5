//! One page: values are asked for, written, sent, and watched until they are gone.

use crate::answer::{Step, ValuesLeft};
use crate::call::Call;
use crate::cdp::Fault;
use crate::facts::Facts;
use crate::failure::{Code, Failure, Result};
use crate::judge::{Part, Plan, recognise};
use crate::role::Role;
use crate::secret::SecretString;
use crate::supplier::{CodeOptions, Supplier};
use crate::tab::{Frame, Handle, Tab, look};
use crate::transport;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How much longer a code must be valid, so that it is when it arrives.
const CODE_SECONDS: u32 = 5;

/// How long a page may take to believe its fields and enable its button.
const BUTTON_WAIT: Duration = Duration::from_secs(2);

/// How long a page may take to send a code by itself, which many do at the last digit. It would be sent twice otherwise.
const OWN_SENDING: Duration = Duration::from_millis(200);

/// How long values may stay in a page that was sent.
const WATCH: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(100);

/// More time for clearing when the call's own is over.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(3);

/// What a step came to.
pub struct Done {
    pub step: Step,
    /// The document may still hold values that its next part needs, such as the user name beside a password that
    /// appeared; they are cleared at the end.
    pub pending: Option<Handle>,
}

/// What became of the form.
enum Outcome {
    Sent,
    Kept,
    /// The document went away by itself.
    Gone,
}

/// Fills one document. On failure the second part says what was done, if anything was written.
pub async fn run<S: Supplier>(
    call: &mut Call<'_, S>,
    tab: &Tab,
    top: &str,
    frame: &Frame,
    plan: &Plan,
    done: &[Role],
) -> Result<Done, (Failure, Option<Step>)> {
    let origin = &frame.facts.origin;
    let prepared = prepare(call, tab, top, frame, plan).await.map_err(|failure| (failure, None))?;
    let (supplied, argument) = prepared;
    let values = values(plan, &supplied).map_err(|failure| (failure, None))?;
    let handle = &frame.handle;
    let filled = call.connection.call_with_secrets(&handle.session, &handle.object, "fill", &argument, &values).await;
    drop(supplied);

    let mut step = Step {
        origin: origin.clone(),
        filled: plan.parts.iter().map(|part| part.role.clone()).collect(),
        submitted: false,
        values_left: ValuesLeft::Unknown,
    };
    let sent = match filled {
        Ok(answer) => match (word(&answer, "refused"), word(&answer, "sent")) {
            (Some(code), _) => return Err((Code::from_script(code).into(), None)),
            (_, Some("wait")) => wait(call, handle, plan).await,
            (_, Some(sent)) => verdict(sent),
            _ => Err(Code::FillUnconfirmed.into()),
        },
        // With what was in it, if it was written to.
        Err(Fault::Detached) => Err(Code::DocumentChanged.into()),
        // The document went away before anything was written: the browser runs the function wholly or not at all.
        Err(fault) if fault.is_gone() => return Err((Code::DocumentChanged.into(), None)),
        Err(Fault::Threw | Fault::Refused(_)) => Err(Code::FillUnconfirmed.into()),
        Err(fault) => Err(fault.into()),
    };
    match sent {
        Err(failure) => {
            step.values_left = clear(call, handle).await;
            Err((failure, Some(step)))
        }
        Ok(Outcome::Kept) => {
            step.values_left = ValuesLeft::Masked;
            Ok(Done { step, pending: None })
        }
        Ok(Outcome::Gone) => {
            (step.submitted, step.values_left) = (true, ValuesLeft::None);
            Ok(Done { step, pending: None })
        }
        Ok(Outcome::Sent) => {
            step.submitted = true;
            let mut now_done = done.to_vec();
            now_done.extend(step.filled.iter().cloned());
            let (left, pending) = watch(call, handle, &now_done).await;
            step.values_left = left;
            Ok(Done { step, pending: pending.then(|| handle.clone()) })
        }
    }
}

/// The checks that need the outside, and then the values.
async fn prepare<S: Supplier>(
    call: &mut Call<'_, S>,
    tab: &Tab,
    top: &str,
    frame: &Frame,
    plan: &Plan,
) -> Result<(crate::supplier::Supplied, Value)> {
    // Plain http is a matter of the supplier's rule, which allows it for this machine only.
    if !call.policy.allow_certificate_errors && !top.starts_with("http://") {
        let session = tab.session().unwrap_or_default().to_owned();
        match transport::is_secure(&mut call.connection, &session, top).await {
            Ok(true) => {}
            Err(fault) if fault.is_fatal() => return Err(fault.into()),
            Err(fault) if fault.is_gone() => return Err(Code::DocumentChanged.into()),
            Ok(false) | Err(_) => return Err(Code::InsecureTransport.into()),
        }
    }
    let code = CodeOptions { min_valid_seconds: CODE_SECONDS, exclusive: call.request.exclusive };
    let code = plan.has(&Role::Totp).then_some(code);
    let supplied = call.supplier.supply(&frame.facts.origin, code).await?;
    let parts: Vec<Value> =
        plan.parts.iter().map(|part| json!({ "role": place(&part.role), "fields": part.fields })).collect();
    // Where a form may send to, as it was allowed; a script of the page, always.
    let destinations: Vec<&str> = std::iter::once("").chain(plan.destination.as_deref()).collect();
    // A code by itself is often sent by the page.
    let wait = plan.parts.iter().all(|part| part.role == Role::Totp);
    let argument = json!({
        "origin": frame.facts.origin,
        "ancestors": frame.facts.ancestors,
        "destinations": destinations,
        "parts": parts,
        "submit": call.request.submit,
        "wait": wait,
    });
    Ok((supplied, argument))
}

fn values<'s>(plan: &Plan, supplied: &'s crate::supplier::Supplied) -> Result<Vec<&'s SecretString>> {
    let value = |part: &Part| {
        let value = part.role.value(supplied, part.wants_email).ok_or_else(|| {
            Failure::with_message(Code::NoFields, "the credential has no value for one of the fields")
        })?;
        let boxes = part.fields.len();
        if boxes > 1 && value.expose().chars().count() != boxes {
            return Err(Failure::with_message(
                Code::AmbiguousFields,
                "the page's boxes are not as many as the code's digits",
            ));
        }
        Ok(value)
    };
    plan.parts.iter().map(value).collect()
}

/// Presses the button as soon as the page lets us.
async fn wait<S: Supplier>(call: &mut Call<'_, S>, handle: &Handle, plan: &Plan) -> Result<Outcome> {
    let end = Instant::now() + BUTTON_WAIT;
    let own_sending = call.request.submit && plan.parts.iter().all(|part| part.role == Role::Totp);
    tokio::time::sleep(if own_sending { OWN_SENDING } else { POLL / 4 }).await;
    loop {
        match call.connection.call(&handle.session, &handle.object, "press", Vec::new()).await {
            Ok(answer) => match word(&answer, "sent") {
                Some("wait") if Instant::now() < end.min(call.deadline) => {}
                sent => return verdict(sent.unwrap_or_default()),
            },
            Err(fault) if fault.is_gone() => return Ok(Outcome::Gone),
            Err(fault) => return Err(fault.into()),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The script's word for which fields it may go into.
fn place(role: &Role) -> &str {
    if role.is_secret() { Role::Password.kind() } else { role.kind() }
}

fn verdict(sent: &str) -> Result<Outcome> {
    match sent {
        "sent" => Ok(Outcome::Sent),
        "kept" => Ok(Outcome::Kept),
        "changed" => Err(Code::DocumentChanged.into()),
        "leaves" => Err(Code::FormLeavesDomain.into()),
        "get" => {
            let message = "the form would put its values into the address of the next page; nothing was sent";
            Err(Failure::with_message(Code::NotALoginForm, message))
        }
        _ => Err(Code::FillUnconfirmed.into()),
    }
}

/// Waits until the values are gone, or the next part of the page shows up, and clears what stays too long.
async fn watch<S: Supplier>(call: &mut Call<'_, S>, handle: &Handle, done: &[Role]) -> (ValuesLeft, bool) {
    let end = call.deadline.min(Instant::now() + WATCH);
    while Instant::now() < end {
        match filled(call, handle).await {
            Ok(0) => return (ValuesLeft::None, false),
            Err(fault) if fault.is_gone() => return (ValuesLeft::None, false),
            Err(fault) if fault.is_fatal() => break,
            Ok(_) | Err(_) => {}
        }
        match look(&mut call.connection, handle, &[], &[]).await {
            Ok(Frame { facts, .. }) if goes_on(&facts, done) => return (ValuesLeft::Unknown, true),
            Err(fault) if fault.is_gone() => return (ValuesLeft::None, false),
            _ => tokio::time::sleep(POLL).await,
        }
    }
    (clear(call, handle).await, false)
}

/// Whether the same document asks for more.
fn goes_on(facts: &Facts, done: &[Role]) -> bool {
    recognise(facts, done).is_ok()
}

async fn filled<S: Supplier>(call: &mut Call<'_, S>, handle: &Handle) -> Result<u64, Fault> {
    let answer = call.connection.call(&handle.session, &handle.object, "left", Vec::new()).await?;
    answer.get("filled").and_then(Value::as_u64).ok_or(Fault::Strange)
}

/// Clears what is left of the values in a document.
pub async fn clear<S: Supplier>(call: &mut Call<'_, S>, handle: &Handle) -> ValuesLeft {
    call.connection.extend(CLEAR_TIMEOUT);
    match call.connection.call(&handle.session, &handle.object, "clear", Vec::new()).await {
        Ok(answer) => match ["cleared", "filled"].map(|name| answer.get(name).and_then(Value::as_u64)) {
            [Some(0), Some(0)] => ValuesLeft::None,
            [Some(_), Some(0)] => ValuesLeft::Cleared,
            _ => ValuesLeft::Unknown,
        },
        Err(fault) if fault.is_gone() => ValuesLeft::None,
        Err(_) => ValuesLeft::Unknown,
    }
}

fn word<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}
