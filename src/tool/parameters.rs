//! The parameters of the tools, and the input schema that is made of them.
//!
//! The schema keeps to what every client takes: an object at the root, one scalar type for each property, no
//! combinations, no `format`, bounds in words too, because some clients drop the keywords.

use super::Actions;
use super::texts;
use crate::json::Object;
use alloc::string::String;

const LIST: Actions = Actions::LIST;
const GET: Actions = Actions::GET;
const TOTP_CODE: Actions = Actions::TOTP_CODE;
const CREATE: Actions = Actions::CREATE;
const UPDATE: Actions = Actions::UPDATE;
const DELETE: Actions = Actions::DELETE;
const WRITE: Actions = CREATE.with(UPDATE);
const SINGLE: Actions = GET.with(TOTP_CODE).with(UPDATE).with(DELETE);

/// What a parameter holds.
enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    /// From, and to if there is an end.
    Whole(u32, Option<u32>),
    Flag,
    Texts,
    /// An object whose members are texts.
    Map,
}

struct Parameter {
    name: &'static str,
    kind: Kind,
    /// What it means to which actions.
    uses: &'static [(Actions, &'static str)],
}

/// All but `action`. The order is the one that models read them in.
const TABLE: &[Parameter] = &[
    Parameter {
        name: "id_or_name",
        kind: Kind::Text,
        uses: &[(SINGLE, "the credential's id or exact name; required")],
    },
    Parameter {
        name: "name",
        kind: Kind::Text,
        uses: &[(CREATE, "a name that no other credential has, 1-255 bytes; required"), (UPDATE, "the new name")],
    },
    Parameter {
        name: "domain",
        kind: Kind::Text,
        uses: &[
            (LIST, "only credentials of exactly this domain"),
            (CREATE, "the site that the values belong to, such as accounts.example.com; required"),
            (UPDATE, "the new site; refused if stored values could not go there before"),
        ],
    },
    Parameter {
        name: "additional_domains",
        kind: Kind::Texts,
        uses: &[
            (WRITE, "further sites of the same account, at most 15"),
            (UPDATE, "replaces all of them, an empty array removes them; refused as domain is"),
        ],
    },
    Parameter {
        name: "origin",
        kind: Kind::Text,
        uses: &[(
            LIST,
            "URL of the login page you are on, with its scheme: only credentials whose values may go there",
        )],
    },
    Parameter {
        name: "query",
        kind: Kind::Text,
        uses: &[(
            LIST,
            "only credentials with this text in name, domains or description, in any case, or with exactly this id",
        )],
    },
    Parameter {
        name: "archived",
        kind: Kind::Flag,
        uses: &[
            (LIST, "with true, those that are switched off instead of the others"),
            (UPDATE, "true switches it off: no codes and no logins until a person switches it on again"),
        ],
    },
    Parameter {
        name: "limit",
        kind: Kind::Whole(1, Some(100)),
        uses: &[(LIST, "credentials on a page, a whole number from 1 to 100, 20 if not given")],
    },
    Parameter {
        name: "offset",
        kind: Kind::Whole(0, None),
        uses: &[(LIST, "how many to skip, a whole number from 0: next_offset of the page before")],
    },
    Parameter {
        name: "min_valid_seconds",
        kind: Kind::Whole(0, None),
        uses: &[(
            TOTP_CODE,
            "refuse a code that is valid for less, a whole number from 0 to the period minus 1; wait and ask again",
        )],
    },
    Parameter {
        name: "exclusive",
        kind: Kind::Flag,
        uses: &[(
            TOTP_CODE,
            "true when several agents log in with this credential at once: no two that say so get the same code",
        )],
    },
    Parameter {
        name: "values",
        kind: Kind::Map,
        uses: &[
            (CREATE, "what the login form needs, by field, such as username and password; required, at least one"),
            (UPDATE, "values to add or to replace; the others stay"),
        ],
    },
    Parameter { name: "remove_value_keys", kind: Kind::Texts, uses: &[(UPDATE, "names of values to remove")] },
    Parameter {
        name: "description",
        kind: Kind::Text,
        uses: &[
            (
                WRITE,
                "one line of at most 500 bytes that tells this account from others of the site; agents read it: no secrets",
            ),
            (UPDATE, "an empty text clears it"),
        ],
    },
    Parameter {
        name: "metadata",
        kind: Kind::Map,
        uses: &[
            (WRITE, "up to 16 texts of at most 512 bytes by name; agents read them: no secrets"),
            (UPDATE, "replaces all of them, an empty object removes them"),
        ],
    },
    Parameter {
        name: "sso_provider",
        kind: Kind::Text,
        uses: &[
            (CREATE, "the provider that the site signs in with, such as google"),
            (UPDATE, "the new provider; an empty text clears it"),
        ],
    },
    Parameter {
        name: "totp_secret",
        kind: Kind::Text,
        uses: &[
            (
                WRITE,
                "the secret for one-time codes in base32, or an otpauth:// or steam:// URI; the answer shows the current code, never the secret",
            ),
            (UPDATE, "an empty text removes it"),
        ],
    },
    Parameter {
        name: "totp_algorithm",
        kind: Kind::OneOf(&["SHA1", "SHA256", "SHA512"]),
        uses: &[(WRITE, "only with totp_secret, if the site says so; SHA1 if not given")],
    },
    Parameter {
        name: "totp_digits",
        kind: Kind::Whole(6, Some(9)),
        uses: &[(WRITE, "only with totp_secret: a whole number from 6 to 9, 6 if not given")],
    },
    Parameter {
        name: "totp_period",
        kind: Kind::Whole(5, Some(3600)),
        uses: &[(WRITE, "only with totp_secret: seconds, a whole number from 5 to 3600, 30 if not given")],
    },
    Parameter {
        name: "project",
        kind: Kind::Text,
        uses: &[(Actions::ALL, "leave out: the project of this connection is fixed")],
    },
    Parameter { name: "project_id", kind: Kind::Text, uses: &[(Actions::ALL, "deprecated, as project")] },
];

/// Writes the members of the input schema for these actions.
pub fn write(schema: &mut Object<'_>, actions: Actions) {
    schema.text("type", "object");
    schema.object("properties", |properties| {
        properties.object("action", |action| {
            action.text("type", "string");
            texts(action, "enum", actions.each());
            action.text("description", "what to do");
        });
        for parameter in TABLE {
            let description = describe(parameter.uses, actions);
            if !description.is_empty() {
                properties.object(parameter.name, |property| {
                    parameter.kind.write(property);
                    property.text("description", &description);
                });
            }
        }
    });
    texts(schema, "required", ["action"].into_iter());
}

/// The meanings that count for these actions, each after the names of its actions.
fn describe(uses: &[(Actions, &str)], actions: Actions) -> String {
    let mut text = String::new();
    for (of, meaning) in uses {
        let named = of.both(actions);
        if named.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str(". ");
        }
        if named != actions {
            text.push_str(&named.names(", "));
            text.push_str(": ");
        }
        text.push_str(meaning);
    }
    text
}

impl Kind {
    fn write(&self, property: &mut Object<'_>) {
        let string = |array: &mut Object<'_>| array.text("type", "string");
        match self {
            Kind::Text => string(property),
            Kind::OneOf(values) => {
                string(property);
                texts(property, "enum", values.iter().copied());
            }
            Kind::Whole(from, to) => {
                property.text("type", "integer");
                property.number("minimum", (*from).into());
                if let Some(to) = to {
                    property.number("maximum", (*to).into());
                }
            }
            Kind::Flag => property.text("type", "boolean"),
            Kind::Texts => {
                property.text("type", "array");
                property.object("items", string);
            }
            Kind::Map => {
                property.text("type", "object");
                property.object("additionalProperties", string);
            }
        }
    }
}
