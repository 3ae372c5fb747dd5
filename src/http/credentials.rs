//! The actions on credentials: read the rest of the request, call the action, answer.

use super::preconditions::{Preconditions, Tags, entity_tag};
use super::{Request, Response};
use crate::actions::{self, Action, AuditQuery, Caller, CodeOptions, CredentialView, ListQuery, PutCondition, Vault};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::json;
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};

/// Longest idempotency key.
const IDEMPOTENCY_KEY_MAX_BYTES: usize = 255;

/// A request of somebody who may do what it asks for.
pub struct Call<'a> {
    pub vault: &'a Vault<'a>,
    pub request: &'a Request<'a>,
    /// Empty where the route has none.
    pub id_or_name: &'a str,
}

impl Call<'_> {
    pub fn run(&self, action: Action) -> Result<Response> {
        match action {
            Action::List => self.list(),
            Action::Create => self.create(),
            Action::Get => self.get(),
            Action::Put => self.put(),
            Action::Update => self.update(),
            Action::Delete => self.delete(),
            Action::TotpCode => self.totp_code(),
            Action::Supply => self.supply(),
            Action::Versions => self.versions(),
            Action::Restore => self.restore(),
            Action::Purge => self.purge(),
            Action::ResetExclusive => self.reset_exclusive(),
            Action::Audit => self.audit(),
            Action::Verify => self.step(|cursor| Ok(json::verification(&actions::verify(self.vault, cursor)?))),
            Action::Sweep => self.step(|cursor| Ok(json::sweeping(&actions::sweep(self.vault, cursor)?))),
            Action::Rewrap => self.step(|cursor| Ok(json::rewrapping(&actions::rewrap(self.vault, cursor)?))),
            // No route leads here.
            _ => Err(Error::not_found()),
        }
    }

    fn list(&self) -> Result<Response> {
        let mut parameters = self.request.parameters()?;
        let query = ListQuery {
            domain: parameters.text("domain")?,
            query: parameters.text("query")?,
            origin: parameters.text("origin")?,
            archived: parameters.flag("archived")?.unwrap_or(false),
            deleted: parameters.flag("deleted")?.unwrap_or(false),
            limit: parameters.whole_number("limit", actions::LIMIT_RULE)?,
            offset: parameters.whole_number("offset", actions::OFFSET_RULE)?,
        };
        let page = actions::list(self.vault, &query)?;
        let mut response = Response::json(200, json::credentials(&page));
        response.add("x-has-more", page.next_offset.is_some().to_string());
        // The official clients stop at 0.
        response.add("x-next-offset", page.next_offset.unwrap_or(0).to_string());
        Ok(response)
    }

    fn create(&self) -> Result<Response> {
        let caller = Caller { idempotency_key: self.idempotency_key()?, is_retry: self.is_retry() };
        let new = json::new_credential(&mut self.request.members()?, None)?;
        let view = actions::create(self.vault, new, Some(caller))?;
        Ok(created(&view))
    }

    fn get(&self) -> Result<Response> {
        let preconditions = Preconditions::of(self.request)?;
        let view = actions::get(self.vault, self.id_or_name)?;
        let tag = entity_tag(&view);
        preconditions.check_match(Some(&tag))?;
        if preconditions.is_known(&tag) {
            let mut response = Response::empty(304);
            response.add("etag", tag);
            return Ok(response);
        }
        Ok(single(200, &view))
    }

    fn put(&self) -> Result<Response> {
        let name = self.id_or_name.to_owned();
        let preconditions = Preconditions::of(self.request)?;
        let new = json::new_credential(&mut self.request.members()?, Some(name))?;
        let condition = match (&preconditions.if_match, &preconditions.if_none_match) {
            (None, None) => PutCondition::Always,
            (Some(Tags::Any), None) => PutCondition::Present,
            (None, Some(Tags::Any)) => PutCondition::Absent,
            _ => match self.existing()? {
                None => {
                    preconditions.check(None)?;
                    PutCondition::Absent
                }
                Some(view) => {
                    preconditions.check(Some(&entity_tag(&view)))?;
                    CredentialId::parse(&view.id)
                        .map_or(PutCondition::Version(view.version), |id| PutCondition::Same(id, view.version))
                }
            },
        };
        let (view, is_new) = actions::put(self.vault, new, condition)?;
        Ok(if is_new { created(&view) } else { single(200, &view) })
    }

    fn update(&self) -> Result<Response> {
        let preconditions = Preconditions::of(self.request)?;
        let mut changes = json::changes(&mut self.request.members()?)?;
        let (id_or_name, expected_version) = self.pinned(&preconditions)?;
        changes.expected_version = expected_version;
        let view = actions::update(self.vault, &id_or_name, &changes)?;
        Ok(single(200, &view))
    }

    fn delete(&self) -> Result<Response> {
        is_purge(self.request)?;
        let (id_or_name, expected_version) = self.pinned(&Preconditions::of(self.request)?)?;
        actions::delete(self.vault, &id_or_name, expected_version)?;
        Ok(Response::empty(204))
    }

    fn versions(&self) -> Result<Response> {
        let versions = actions::versions(self.vault, self.id_or_name)?;
        Ok(Response::json(200, json::versions(&versions)))
    }

    fn restore(&self) -> Result<Response> {
        let preconditions = Preconditions::of(self.request)?;
        let version = json::version(&mut self.request.members_or_none()?)?;
        // What was deleted has no entity tag, so none that is asked for is its own: as if it were of version 0, which there
        // is not. Only the action knows whether there is anything to refuse.
        let (id_or_name, expected_version) = match self.existing()? {
            Some(_) => self.pinned(&preconditions)?,
            None => (self.id_or_name.to_owned(), preconditions.if_match.is_some().then_some(0)),
        };
        let view = actions::restore(self.vault, &id_or_name, version, expected_version)?;
        Ok(single(200, &view))
    }

    fn purge(&self) -> Result<Response> {
        let preconditions = Preconditions::of(self.request)?;
        let (id_or_name, expected_version) = match preconditions.are_none() {
            true => (self.id_or_name.to_owned(), None),
            false => self.pinned(&preconditions)?,
        };
        actions::purge(self.vault, &id_or_name, expected_version)?;
        Ok(Response::empty(204))
    }

    fn audit(&self) -> Result<Response> {
        let mut parameters = self.request.parameters()?;
        let mut time = |name| -> Result<Option<Timestamp>> {
            const RULE: &str = "a whole number of seconds since 1970";
            let seconds = parameters.whole_number(name, RULE)?;
            let time = |seconds| u64::try_from(seconds).map(Timestamp::from_seconds);
            seconds.map(time).transpose().map_err(|_| Error::must_be(name, RULE))
        };
        let (since, until) = (time("since")?, time("until")?);
        let query = AuditQuery {
            credential: parameters.text("credential")?,
            token: parameters.text("token")?,
            since,
            until,
            limit: parameters.whole_number("limit", actions::LIMIT_RULE)?,
            cursor: parameters.text("cursor")?,
        };
        let page = actions::audit(self.vault, &query)?;
        Ok(Response::json(200, json::audit_page(&page)))
    }

    fn totp_code(&self) -> Result<Response> {
        let mut parameters = self.request.parameters()?;
        let exclusive = parameters.flag("exclusive")?.unwrap_or(false);
        let options = CodeOptions {
            min_valid_seconds: parameters.whole_number("min_valid_seconds", actions::MIN_VALID_RULE)?.unwrap_or(0),
            // HEAD shows no code, so it must not use one up.
            exclusive: exclusive && self.request.method != "HEAD",
        };
        let code = actions::totp_code(self.vault, self.id_or_name, options)?;
        Ok(Response::json(200, json::totp_code(&code)))
    }

    fn reset_exclusive(&self) -> Result<Response> {
        let available_at = actions::reset_exclusive(self.vault, self.id_or_name)?;
        Ok(Response::json(200, json::availability(available_at)))
    }

    fn supply(&self) -> Result<Response> {
        let mut members = self.request.members()?;
        let origin = members.text("origin")?.ok_or_else(|| Error::bad_request("origin is required"))?;
        let options = json::code_options(&mut members)?;
        let supplied = actions::supply(self.vault, self.id_or_name, &origin, options)?;
        Ok(Response::json(200, json::supplied(&supplied)))
    }

    /// A step of a walk over the whole store; the body says where the one before came to.
    fn step(&self, walk: impl FnOnce(Option<&str>) -> Result<String>) -> Result<Response> {
        let cursor = self.request.members_or_none()?.text("cursor")?;
        Ok(Response::json(200, walk(cursor.as_deref())?))
    }

    /// What to act on, and in which version. With conditions, the credential that fulfils them, by its id: its version
    /// fixes its name too, so nothing can come in between.
    fn pinned(&self, preconditions: &Preconditions) -> Result<(String, Option<u64>)> {
        let exists_is_enough =
            matches!(preconditions.if_match, Some(Tags::Any)) && preconditions.if_none_match.is_none();
        if preconditions.are_none() || exists_is_enough {
            return Ok((self.id_or_name.to_owned(), None));
        }
        let view = actions::get(self.vault, self.id_or_name)?;
        preconditions.check(Some(&entity_tag(&view)))?;
        Ok((view.id, Some(view.version)))
    }

    /// The credential of the path; `None` when there is none.
    fn existing(&self) -> Result<Option<CredentialView>> {
        match actions::get(self.vault, self.id_or_name) {
            Ok(view) => Ok(Some(view)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn idempotency_key(&self) -> Result<Option<&str>> {
        let key = self.request.header("idempotency-key")?;
        let is_fit =
            |key: &str| key.len() <= IDEMPOTENCY_KEY_MAX_BYTES && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !key.is_none_or(is_fit) {
            return Err(Error::bad_request("the header idempotency-key must be 1 to 255 visible ASCII characters"));
        }
        Ok(key)
    }

    /// Whether the official clients say that they sent this before. What they send beside a number is no reason to fail.
    fn is_retry(&self) -> bool {
        let count = self.request.header("x-stainless-retry-count").ok().flatten();
        count.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 0)
    }
}

/// Whether a deletion is to be for good. Errors: [`Code::BadRequest`].
pub fn is_purge(request: &Request<'_>) -> Result<bool> {
    Ok(request.parameters()?.flag("purge")?.unwrap_or(false))
}

fn single(status: u16, view: &CredentialView) -> Response {
    let mut response = Response::json(status, json::credential(view));
    response.add("etag", entity_tag(view));
    response
}

fn created(view: &CredentialView) -> Response {
    let mut response = single(201, view);
    response.add("location", format!("/credentials/{}", view.id));
    response
}
