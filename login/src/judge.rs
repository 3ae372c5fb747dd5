//! Which fields of a document are those of a login, and whether it is one.

use crate::facts::{Facts, Field, Form};
use crate::failure::{Code, Failure, Result};
use crate::role::Role;

/// What is to be written where.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub parts: Vec<Part>,
    /// Where the form sends its values; `None` without a form, or if a script of the page takes them.
    pub destination: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub role: Role,
    /// The script's numbers. More than one: boxes for one character each.
    pub fields: Vec<u64>,
    /// The value named `email` is the better one, if there is one.
    pub wants_email: bool,
}

/// How many boxes can be those of a one-time code.
const BOXES: std::ops::RangeInclusive<usize> = 4..=9;

const USERNAME_WORDS: [&str; 6] = ["user", "login", "email", "account", "identifier", "userid"];
const CODE_WORDS: [&str; 8] = ["otp", "totp", "mfa", "2fa", "code", "token", "passcode", "onetime"];
/// Codes of other kinds, and tokens that a page needs for itself.
const OTHER_CODES: [&str; 12] =
    ["zip", "post", "promo", "coupon", "discount", "country", "area", "voucher", "captcha", "csrf", "gift", "referral"];
const LOGIN_WORDS: [&str; 10] =
    ["login", "log in", "log-in", "logon", "signin", "sign in", "sign-in", "auth", "session", "sso"];
const NEXT_WORDS: [&str; 5] = ["continue", "next", "weiter", "anmelden", "suivant"];

/// Finds the login in a document. `done`: roles that were filled before and are not filled again.
pub fn recognise(facts: &Facts, done: &[Role]) -> Result<Plan> {
    let fields: Vec<&Field> = facts.fields.iter().collect();
    let boxes = boxes(&fields);
    let in_boxes = |field: &Field| boxes.iter().any(|found| found.fields.contains(&field.index));
    let single: Vec<&Field> = fields.into_iter().filter(|field| !in_boxes(field)).collect();
    let passwords: Vec<&Field> = single.iter().copied().filter(|field| is_password(field)).collect();
    if passwords.is_empty() || done.contains(&Role::Password) {
        if !done.contains(&Role::Totp)
            && let Some(plan) = code_alone(facts, &single, &boxes)?
        {
            return Ok(plan);
        }
        if passwords.is_empty() && !done.contains(&Role::Username) {
            return username_alone(facts, &single);
        }
        return Err(Code::NoFields.into());
    }

    let password = the_password(&passwords)?;
    let mates: Vec<&Field> = single.iter().copied().filter(|field| field.form == password.form).collect();
    let mut parts = Vec::new();
    if !done.contains(&Role::Username)
        && let Some(field) = username_before(&mates, password)
    {
        parts.push(Part::new(Role::Username, field));
    }
    parts.push(Part::new(Role::Password, password));
    if !done.contains(&Role::Totp) {
        let codes: Vec<&Field> = mates.iter().copied().filter(|field| is_code(field)).collect();
        match codes.as_slice() {
            [] => parts.extend(boxes.into_iter().filter(|found| found.form == password.form).map(Part::from).take(1)),
            [code] => parts.push(Part::new(Role::Totp, code)),
            _ => return Err(Code::AmbiguousFields.into()),
        }
    }
    Ok(Plan::new(facts, password, parts))
}

/// The fields that the caller names. `names` are those of the selectors in [`Facts::selected`].
///
/// `None`: none of them is in this document.
pub fn select(facts: &Facts, names: &[String]) -> Result<Option<Plan>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut first: Option<&Field> = None;
    for (name, found) in names.iter().zip(&facts.selected) {
        let found = found.as_deref().ok_or_else(|| {
            Failure::with_message(Code::BadRequest, "a selector of `fields` is not a CSS selector that works here")
        })?;
        let selected = match found {
            [] => continue,
            [one] => one,
            _ => return Err(Code::AmbiguousFields.into()),
        };
        let (role, field) = (Role::of_field(name), &selected.field);
        if !fits(&role, field) {
            return Err(Code::FieldTypeRefused.into());
        }
        if !selected.usable || (field.readonly && role != Role::Username) {
            let message = "a field that was named can't be seen, or not be changed, by a person";
            return Err(Failure::with_message(Code::FieldTypeRefused, message));
        }
        if first.is_some_and(|first| first.form != field.form) {
            let message = "the fields that were named are not in one form";
            return Err(Failure::with_message(Code::AmbiguousFields, message));
        }
        first = first.or(Some(field));
        parts.push(Part::new(role, field));
    }
    let Some(first) = first else { return Ok(None) };
    if parts.len() < names.len() {
        let message = "some of the fields that were named are not there, or in another frame";
        return Err(Failure::with_message(Code::NoFields, message));
    }
    Ok(Some(Plan::new(facts, first, parts)))
}

/// Whether a value of this role may be written into such a field. The script has the same table and asks it again.
fn fits(role: &Role, field: &Field) -> bool {
    match (role, field.kind.as_str()) {
        (_, "other") => false,
        (role, kind) if role.is_secret() => kind == "password" && !field.has_token("new-password"),
        (Role::Totp, kind) => matches!(kind, "text" | "tel" | "number" | "password"),
        (Role::Username, kind) => kind != "password",
        (Role::Password | Role::Other(_), _) => true,
    }
}

/// Whether a document asks for a password, of a login.
pub fn asks_password(facts: &Facts) -> bool {
    let passwords: Vec<&Field> = facts.fields.iter().filter(|field| is_password(field)).collect();
    !passwords.is_empty() && the_password(&passwords).is_ok()
}

impl Plan {
    fn new(facts: &Facts, field: &Field, parts: Vec<Part>) -> Self {
        let destination = facts.form(field).map(|form| form.destination.clone());
        Self { parts, destination: destination.filter(|destination| !destination.is_empty()) }
    }

    pub fn has(&self, role: &Role) -> bool {
        self.parts.iter().any(|part| part.role == *role)
    }
}

impl Part {
    fn new(role: Role, field: &Field) -> Self {
        let wants_email = field.kind == "email" || field.has_token("email");
        Self { role, fields: vec![field.index], wants_email }
    }
}

impl From<Boxes> for Part {
    fn from(boxes: Boxes) -> Self {
        Self { role: Role::Totp, fields: boxes.fields, wants_email: false }
    }
}

struct Boxes {
    fields: Vec<u64>,
    form: Option<usize>,
}

/// Runs of fields of one character each.
fn boxes(fields: &[&Field]) -> Vec<Boxes> {
    let runs = fields.chunk_by(|a, b| a.max_length == 1 && b.max_length == 1 && a.form == b.form);
    let runs = runs.filter(|run| BOXES.contains(&run.len()) && run.iter().all(|field| fits(&Role::Totp, field)));
    let boxes =
        |run: &[&Field]| Some(Boxes { fields: run.iter().map(|field| field.index).collect(), form: run.first()?.form });
    runs.filter_map(boxes).collect()
}

/// The field of the login among those of all forms.
fn the_password<'f>(passwords: &[&'f Field]) -> Result<&'f Field> {
    let mut logins: Vec<&Field> = Vec::new();
    let mut forms: Vec<Option<usize>> = passwords.iter().map(|field| field.form).collect();
    forms.sort_unstable();
    forms.dedup();
    for form in forms {
        let own: Vec<&Field> = passwords.iter().copied().filter(|field| field.form == form).collect();
        // A form that sets a password is none, though it may ask for the present one: it would be sent half filled.
        if own.iter().any(|field| field.has_token("new-password")) {
            continue;
        }
        let current: Vec<&Field> = own.iter().copied().filter(|field| field.has_token("current-password")).collect();
        match (current.as_slice(), own.as_slice()) {
            ([one], _) | ([], [one]) => logins.push(one),
            _ => {}
        }
    }
    match logins.as_slice() {
        [] => Err(Code::NotALoginForm.into()),
        [one] if !one.readonly => Ok(one),
        [_] => Err(Code::NoFields.into()),
        several => {
            let current: Vec<_> = several.iter().filter(|field| field.has_token("current-password")).collect();
            match current.as_slice() {
                [one] => Ok(one),
                _ => Err(Code::AmbiguousFields.into()),
            }
        }
    }
}

/// The best user name of a form, the nearest before its password.
fn username_before<'f>(mates: &[&'f Field], password: &Field) -> Option<&'f Field> {
    let candidates = || mates.iter().copied().filter(|field| fits(&Role::Username, field) && !is_code(field));
    let plain = |field: &Field| rank(field) > 0 || matches!(field.kind.as_str(), "text" | "tel" | "number");
    let before = candidates().filter(|field| field.index < password.index && plain(field));
    let before = before.max_by_key(|field| (rank(field), field.index));
    before.or_else(|| candidates().filter(|field| rank(field) > 0).max_by_key(|field| rank(field)))
}

/// How much a field looks like that of a user name.
fn rank(field: &Field) -> u8 {
    if ["username", "webauthn"].iter().any(|token| field.has_token(token)) {
        4
    } else if field.has_token("email") {
        3
    } else if field.kind == "email" || has_word(&field.name, &USERNAME_WORDS) {
        2
    } else {
        u8::from(field.kind == "tel" && has_word(&field.name, &["phone"]))
    }
}

/// A page that asks for the user name first.
fn username_alone(facts: &Facts, single: &[&Field]) -> Result<Plan> {
    let shown = |field: &&Field| {
        let tokens = ["current-password", "new-password"].iter().any(|token| field.has_token(token));
        tokens || has_word(&field.name, &["password", "passwd"])
    };
    if single.iter().any(shown) {
        let message = "the page shows its password in clear; have it hidden first";
        return Err(Failure::with_message(Code::FieldTypeRefused, message));
    }
    let certain = |field: &Field| field.has_token("username") || field.has_token("webauthn");
    let hinted = |field: &Field| {
        let named = has_word(&field.name, &["user", "login", "account", "identifier", "userid"]);
        rank(field) > 0 && (named || is_login(facts, facts.form(field)))
    };
    let usable = || single.iter().copied().filter(|field| fits(&Role::Username, field));
    let mut found: Vec<&Field> = usable().filter(|field| certain(field)).collect();
    if found.is_empty() {
        found = usable().filter(|field| hinted(field)).collect();
    }
    match found.as_slice() {
        [] => Err(Code::NoFields.into()),
        [one] => Ok(Plan::new(facts, one, vec![Part::new(Role::Username, one)])),
        _ => Err(Code::AmbiguousFields.into()),
    }
}

/// Whether a page or its form says that it is for logging in. A field for an e-mail address alone may be that of a
/// newsletter.
fn is_login(facts: &Facts, form: Option<&Form>) -> bool {
    let has = |text: &str, words: &[&str]| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let form = form.is_some_and(|form| {
        has(&form.words, &LOGIN_WORDS) || has(&form.button, &LOGIN_WORDS) || has(&form.button, &NEXT_WORDS)
    });
    let host = facts.origin.split("://").nth(1).unwrap_or_default();
    let host = ["login.", "auth.", "accounts.", "signin.", "sso.", "id."].iter().any(|label| host.starts_with(label));
    form || host || has(&facts.path, &LOGIN_WORDS)
}

/// A page that asks for a code and no password.
fn code_alone(facts: &Facts, single: &[&Field], boxes: &[Boxes]) -> Result<Option<Plan>> {
    let mut codes: Vec<&Field> = single.iter().copied().filter(|field| is_code(field) && !field.readonly).collect();
    if codes.iter().any(|field| field.has_token("one-time-code")) {
        codes.retain(|field| field.has_token("one-time-code"));
    }
    match (codes.as_slice(), boxes) {
        ([], []) => Ok(None),
        ([one], []) => Ok(Some(Plan::new(facts, one, vec![Part::new(Role::Totp, one)]))),
        ([], [one]) => {
            let first = facts.fields.iter().find(|field| one.fields.first() == Some(&field.index));
            let part = Part { role: Role::Totp, fields: one.fields.clone(), wants_email: false };
            Ok(first.map(|first| Plan::new(facts, first, vec![part])))
        }
        _ => Err(Code::AmbiguousFields.into()),
    }
}

fn is_password(field: &Field) -> bool {
    field.kind == "password" && !is_code(field)
}

fn is_code(field: &Field) -> bool {
    if field.has_token("one-time-code") {
        return fits(&Role::Totp, field);
    }
    let other_token = field.autocomplete.iter().any(|token| !matches!(token.as_str(), "off" | "on"));
    let name = &field.name;
    let named = has_word(name, &CODE_WORDS) && !has_word(name, &OTHER_CODES) && !has_word(name, &["password"]);
    fits(&Role::Totp, field) && named && !other_token
}

/// Whether one of the words begins a word of the name, as in `userName`, `login_id`, `otp-1`, `j_username`.
fn has_word(name: &str, words: &[&str]) -> bool {
    // `userName` are two words, `OTP` is one.
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        if !character.is_alphanumeric() {
            parts.push(String::new());
        } else {
            if character.is_uppercase() && before.is_lowercase() {
                parts.push(String::new());
            }
            if let Some(part) = parts.last_mut() {
                part.extend(character.to_lowercase());
            }
        }
        before = character;
    }
    parts.iter().any(|part| words.iter().any(|word| part.starts_with(word) || part.ends_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(index: u64, kind: &str, name: &str, tokens: &str, form: Option<usize>) -> Field {
        let autocomplete = tokens.split_whitespace().map(str::to_owned).collect();
        Field { index, kind: kind.into(), autocomplete, name: name.into(), form, max_length: -1, readonly: false }
    }

    /// Each field as `type name tokens`, in one form.
    fn page(fields: &[(&str, &str, &str)]) -> Facts {
        let fields = fields.iter().enumerate();
        Facts {
            origin: "https://app.test".into(),
            fields: fields.map(|(i, (kind, name, tokens))| field(i as u64, kind, name, tokens, Some(0))).collect(),
            forms: vec![Form { destination: "https://app.test".into(), ..Form::default() }],
            ..Facts::default()
        }
    }

    fn found(facts: &Facts, done: &[Role]) -> Result<Vec<(String, Vec<u64>)>, String> {
        let plan = recognise(facts, done).map_err(|failure| failure.code)?;
        Ok(plan.parts.into_iter().map(|part| (part.role.as_str().to_owned(), part.fields)).collect())
    }

    fn parts(of: &[(&str, u64)]) -> Result<Vec<(String, Vec<u64>)>, String> {
        Ok(of.iter().map(|(role, index)| (role.to_string(), vec![*index])).collect())
    }

    #[test]
    fn logins_are_recognised() {
        let both = parts(&[("username", 0), ("password", 1)]);
        for fields in [
            [("text", "user", "username"), ("password", "pass", "current-password")],
            [("text", "", ""), ("password", "", "")],
            [("email", "e", ""), ("password", "p", "off")],
            [("tel", "phone", ""), ("password", "p", "")],
            [("text", "j_username", "section-a username webauthn"), ("password", "passwordCode", "")],
        ] {
            assert_eq!(found(&page(&fields), &[]), both, "{fields:?}");
        }
        let with_code = page(&[("text", "u", ""), ("password", "p", ""), ("text", "otpCode", "")]);
        assert_eq!(found(&with_code, &[]), parts(&[("username", 0), ("password", 1), ("totp", 2)]));
        let search = page(&[("search", "q", ""), ("text", "username", ""), ("password", "p", "")]);
        assert_eq!(found(&search, &[]), parts(&[("username", 1), ("password", 2)]));
        let company = page(&[("text", "login", ""), ("text", "x", ""), ("password", "p", "")]);
        assert_eq!(found(&company, &[]), parts(&[("username", 0), ("password", 2)]));
    }

    #[test]
    fn other_forms_are_not() {
        for (fields, code) in [
            (&[("password", "p", "new-password")][..], "not_a_login_form"),
            (&[("email", "e", ""), ("password", "a", ""), ("password", "b", "")], "not_a_login_form"),
            (
                &[
                    ("password", "a", "current-password"),
                    ("password", "b", "new-password"),
                    ("password", "c", "new-password"),
                ],
                "not_a_login_form",
            ),
            (&[("email", "email", "")], "no_fields"),
            (&[("text", "zipCode", "")], "no_fields"),
            (&[("text", "q", "")], "no_fields"),
            (&[("text", "couponcode", "")], "no_fields"),
            (&[("text", "code", "postal-code")], "no_fields"),
            (&[("text", "otp", ""), ("text", "code", "")], "ambiguous_fields"),
            (&[("text", "user", ""), ("text", "x", "current-password")], "field_type_refused"),
            (&[("text", "user", ""), ("text", "userPassword", "")], "field_type_refused"),
            (&[("text", "a", "username"), ("text", "b", "username")], "ambiguous_fields"),
        ] {
            assert_eq!(found(&page(fields), &[]), Err(code.to_owned()), "{fields:?}");
        }
    }

    #[test]
    fn an_email_field_alone_needs_a_hint() {
        let mut facts = page(&[("email", "email", "email")]);
        assert!(found(&facts, &[]).is_err());
        facts.forms[0].button = "Subscribe".into();
        assert!(found(&facts, &[]).is_err());
        facts.forms[0].button = "Continue".into();
        assert_eq!(found(&facts, &[]), parts(&[("username", 0)]));
        facts.forms[0].button = String::new();
        facts.path = "/Login/start".into();
        assert_eq!(found(&facts, &[]), parts(&[("username", 0)]));
        assert_eq!(found(&facts, &[Role::Username]), Err("no_fields".into()));
        assert_eq!(found(&page(&[("text", "x", "username")]), &[]), parts(&[("username", 0)]));
    }

    #[test]
    fn two_logins_are_one_only_if_one_says_so() {
        let mut facts = page(&[("password", "a", ""), ("password", "b", "")]);
        facts.forms.push(facts.forms[0].clone());
        facts.fields[1].form = Some(1);
        assert_eq!(found(&facts, &[]), Err("ambiguous_fields".into()));
        facts.fields[1].autocomplete = vec!["new-password".into()];
        assert_eq!(found(&facts, &[]), parts(&[("password", 0)]));
        facts.fields[1].autocomplete = vec!["current-password".into()];
        assert_eq!(found(&facts, &[]), parts(&[("password", 1)]));
    }

    #[test]
    fn codes_are_recognised() {
        for fields in [("text", "totp", ""), ("tel", "x", "one-time-code"), ("password", "mfa_code", "off")] {
            assert_eq!(found(&page(&[fields]), &[Role::Username, Role::Password]), parts(&[("totp", 0)]), "{fields:?}");
        }
        let mut facts = page(&[("tel", "", ""); 6]);
        facts.fields.iter_mut().for_each(|field| field.max_length = 1);
        assert_eq!(found(&facts, &[Role::Password]), Ok(vec![("totp".into(), vec![0, 1, 2, 3, 4, 5])]));
        assert_eq!(found(&facts, &[Role::Password, Role::Totp]), Err("no_fields".into()));
        facts.fields.truncate(3);
        assert_eq!(found(&facts, &[Role::Password, Role::Username]), Err("no_fields".into()));
    }

    #[test]
    fn a_password_is_not_written_twice() {
        let again = page(&[("text", "u", "username"), ("password", "p", "current-password")]);
        assert_eq!(found(&again, &[Role::Username, Role::Password]), Err("no_fields".into()));
        assert!(asks_password(&again));
    }

    #[test]
    fn named_fields_are_checked_all() {
        let select_with = |kinds: &[(&str, &str, bool)]| {
            let selected = kinds
                .iter()
                .map(|(_, kind, usable)| Some(vec![Selected { field: field(0, kind, "", "", None), usable: *usable }]));
            let facts = Facts { selected: selected.collect(), ..Facts::default() };
            let names: Vec<String> = kinds.iter().map(|(name, ..)| name.to_string()).collect();
            select(&facts, &names).map_err(|failure| failure.code)
        };
        use crate::facts::Selected;
        assert!(select_with(&[("username", "text", true), ("password", "password", true)]).unwrap().is_some());
        for bad in [
            [("username", "text", true), ("password", "text", true)],
            [("username", "text", true), ("password", "other", true)],
            [("username", "password", true), ("pin", "password", true)],
            [("totp", "email", true), ("pin", "password", true)],
            [("username", "text", true), ("pin", "tel", true)],
            [("username", "text", true), ("password", "password", false)],
        ] {
            assert_eq!(select_with(&bad), Err("field_type_refused".into()), "{bad:?}");
        }
        assert_eq!(select(&Facts { selected: vec![Some(vec![])], ..Facts::default() }, &["pin".into()]).unwrap(), None);
        let no_selector = Facts { selected: vec![None], ..Facts::default() };
        assert_eq!(select(&no_selector, &["pin".into()]).unwrap_err().code, "bad_request");
    }
}
