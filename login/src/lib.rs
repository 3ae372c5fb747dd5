//! Logs in with a stored credential in a browser that an agent drives, without the agent seeing a value.
//!
//! [`fill`] connects to the same browser over the Chrome DevTools Protocol, finds the form, asks a [`Supplier`] for the
//! values by the origin that the document itself states, writes and sends them in one call inside the document, waits
//! until they are gone from the page, and answers what was done. It protects against values getting into a model's
//! context and against the wrong page. It does not contain an agent that attacks: whoever can talk to the browser can
//! read its pages, its network and its cookies.
//!
//! | file | concept |
//! |---|---|
//! | `call.rs` | the call: which page and frame, whether it may be filled, step after step |
//! | `step.rs` | one document: check, write, send, watch, clear |
//! | `judge.rs`, `facts.rs` | which fields are those of a login |
//! | `tab.rs`, `script.js` | the frames of a page, and what runs inside them |
//! | `transport.rs` | the page's certificate |
//! | `cdp/` | the protocol |

mod answer;
mod call;
mod cdp;
mod facts;
mod failure;
mod judge;
mod request;
mod role;
mod secret;
mod step;
mod supplier;
mod tab;
mod transport;

pub use answer::{Answer, Page, Status, Step, ValuesLeft};
pub use call::fill;
pub use cdp::{BadAddress, Browser};
pub use failure::{Code, Failure};
pub use request::{FieldSelector, KEPT, Policy, Request};
pub use role::Role;
pub use secret::SecretString;
pub use supplier::{CodeOptions, Refusal, Supplied, Supplier};
