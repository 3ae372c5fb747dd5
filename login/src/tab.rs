//! A page of the browser with all its frames, and the script in each of them.

use crate::cdp::{Connection, Fault};
use crate::facts::Facts;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// The function that is installed in every frame. It is the same text always, as other clients can read it.
const SCRIPT: &str = include_str!("script.js");

/// The name of the isolated worlds.
const WORLD: &str = "strongroom";

/// How many frames of a page are looked at.
const MAX_FRAMES: usize = 64;

/// How many closed shadow roots of a page are looked into.
const MAX_CLOSED_ROOTS: usize = 64;

/// What the browser calls a target that is looked at.
#[derive(Clone, Debug)]
pub struct Target {
    pub id: String,
    pub url: String,
    /// The frame around it, of an `iframe` target.
    parent_frame: Option<String>,
}

/// The targets of the browser that are pages, and those that are frames in processes of their own.
pub struct Targets {
    pub pages: Vec<Target>,
    frames: Vec<Target>,
}

impl Targets {
    pub async fn ask(connection: &mut Connection) -> Result<Self, Fault> {
        let answer = connection.command(None, "Target.getTargets", json!({})).await?;
        let infos = answer.get("targetInfos").and_then(Value::as_array).ok_or(Fault::Strange)?;
        let of = |kind: &str| infos.iter().filter(|info| is(info, "type", kind)).filter_map(Target::parse).collect();
        Ok(Self { pages: of("page"), frames: of("iframe") })
    }
}

impl Target {
    fn parse(info: &Value) -> Option<Self> {
        // Pages that are prerendered, or parts of another page's tab.
        if info.get("subtype").and_then(Value::as_str).is_some_and(|subtype| !subtype.is_empty()) {
            return None;
        }
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { id: text("targetId")?, url: text("url")?, parent_frame: text("parentFrameId") })
    }
}

/// The object that the script has made in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    pub session: String,
    pub object: String,
    context: u64,
}

/// A frame that was looked at.
#[derive(Clone, Debug)]
pub struct Frame {
    pub handle: Handle,
    pub facts: Facts,
    /// Whether it is the page's own document.
    pub is_top: bool,
}

/// A page.
pub struct Tab {
    pub id: String,
    /// Session by target.
    sessions: HashMap<String, String>,
    /// By frame: a document keeps its object as long as it lives, as that remembers what was written.
    handles: HashMap<String, Handle>,
}

impl Tab {
    pub fn new(id: String) -> Self {
        Self { id, sessions: HashMap::new(), handles: HashMap::new() }
    }

    /// The session of the page's own target, once it was looked at.
    pub fn session(&self) -> Option<&str> {
        self.sessions.get(&self.id).map(String::as_str)
    }

    /// Looks at all frames. A frame that goes away meanwhile is left out. `closed`: closed shadow roots, too.
    pub async fn look(
        &mut self,
        connection: &mut Connection,
        selectors: &[&str],
        closed: bool,
    ) -> Result<Vec<Frame>, Fault> {
        let targets = Targets::ask(connection).await?;
        let page = targets.pages.iter().find(|page| page.id == self.id).cloned();
        let mut queue = vec![page.ok_or_else(|| Fault::Refused("No target with given id".to_owned()))?];
        let (mut looked, mut known) = (Vec::new(), HashSet::new());
        while let Some(target) = queue.pop() {
            let is_page = target.id == self.id;
            match self.look_at_target(connection, &target, selectors, closed).await {
                Ok(frames) => {
                    let ids: Vec<String> = frames.iter().map(|(id, _)| id.clone()).collect();
                    for (at, (_, frame)) in frames.into_iter().enumerate() {
                        looked.extend(frame.map(|frame| Frame { is_top: is_page && at == 0, ..frame }));
                    }
                    // Frames in processes of their own, whose parents are now known.
                    known.extend(ids);
                    let inner = targets.frames.iter().filter(|frame| {
                        frame.parent_frame.as_ref().is_some_and(|parent| known.contains(parent))
                            && !known.contains(&frame.id)
                            && queue.iter().all(|waiting| waiting.id != frame.id)
                    });
                    queue.extend(inner.cloned().collect::<Vec<_>>());
                }
                Err(fault) if is_page || fault.is_fatal() => return Err(fault),
                Err(_) => {}
            }
            // Looked at or not, it is not tried again.
            known.insert(target.id);
            if looked.len() >= MAX_FRAMES {
                break;
            }
        }
        Ok(looked)
    }

    /// The frames of one target, the outermost first; `None` for those that could not be looked at.
    async fn look_at_target(
        &mut self,
        connection: &mut Connection,
        target: &Target,
        selectors: &[&str],
        closed: bool,
    ) -> Result<Vec<(String, Option<Frame>)>, Fault> {
        let session = match self.sessions.get(&target.id) {
            Some(session) => session.clone(),
            None => {
                let params = json!({ "targetId": target.id, "flatten": true });
                let answer = connection.command(None, "Target.attachToTarget", params).await?;
                let session = answer.get("sessionId").and_then(Value::as_str).ok_or(Fault::Strange)?.to_owned();
                self.sessions.insert(target.id.clone(), session.clone());
                session
            }
        };
        let tree = match connection.command(Some(&session), "Page.getFrameTree", json!({})).await {
            Ok(tree) => tree,
            Err(fault) => {
                self.sessions.remove(&target.id);
                return Err(fault);
            }
        };
        let ids = frame_ids(tree.get("frameTree").ok_or(Fault::Strange)?);
        let roots = match closed {
            // The tree of a very deep document is not read; then only what is open is seen.
            true => match closed_roots(connection, &session).await {
                Err(fault) if fault.is_fatal() => return Err(fault),
                roots => roots.unwrap_or_default(),
            },
            false => Vec::new(),
        };
        let mut frames = Vec::new();
        for id in ids {
            let roots = roots.iter().filter(|(frame, _)| frame.as_ref().unwrap_or(&target.id) == &id);
            let roots: Vec<u64> = roots.map(|(_, node)| *node).collect();
            let frame = match self.look_at_frame(connection, &session, &id, selectors, &roots).await {
                Ok(frame) => Some(frame),
                Err(fault) if fault.is_fatal() => return Err(fault),
                Err(_) => None,
            };
            frames.push((id, frame));
        }
        Ok(frames)
    }

    async fn look_at_frame(
        &mut self,
        connection: &mut Connection,
        session: &str,
        id: &str,
        selectors: &[&str],
        roots: &[u64],
    ) -> Result<Frame, Fault> {
        let known = self.handles.get(id).filter(|handle| handle.session == session).cloned();
        if let Some(handle) = known {
            match look(connection, &handle, selectors, roots).await {
                Err(fault) if fault.is_gone() => {}
                other => return other,
            }
        }
        let params = json!({ "frameId": id, "worldName": WORLD });
        let world = connection.command(Some(session), "Page.createIsolatedWorld", params).await?;
        let context = world.get("executionContextId").and_then(Value::as_u64).ok_or(Fault::Strange)?;
        let params = json!({ "functionDeclaration": SCRIPT, "executionContextId": context, "silent": true });
        let made = connection.command(Some(session), "Runtime.callFunctionOn", params).await?;
        let object = made.pointer("/result/objectId").and_then(Value::as_str).ok_or(Fault::Strange)?.to_owned();
        let handle = Handle { session: session.to_owned(), object, context };
        self.handles.insert(id.to_owned(), handle.clone());
        look(connection, &handle, selectors, roots).await
    }
}

/// One look at a document by the object in it.
pub async fn look(
    connection: &mut Connection,
    handle: &Handle,
    selectors: &[&str],
    roots: &[u64],
) -> Result<Frame, Fault> {
    let mut arguments = vec![json!({ "value": selectors })];
    for node in roots {
        let params = json!({ "backendNodeId": node, "executionContextId": handle.context });
        if let Ok(resolved) = connection.command(Some(&handle.session), "DOM.resolveNode", params).await
            && let Some(object) = resolved.pointer("/object/objectId")
        {
            arguments.push(json!({ "objectId": object }));
        }
    }
    let value = connection.call(&handle.session, &handle.object, "look", arguments).await?;
    let facts = Facts::parse(&value).ok_or(Fault::Strange)?;
    Ok(Frame { handle: handle.clone(), facts, is_top: false })
}

/// The ids of a frame tree, parents before children.
fn frame_ids(tree: &Value) -> Vec<String> {
    let (mut ids, mut queue) = (Vec::new(), vec![tree]);
    while let Some(tree) = queue.pop() {
        ids.extend(tree.pointer("/frame/id").and_then(Value::as_str).map(str::to_owned));
        queue.extend(tree.get("childFrames").and_then(Value::as_array).into_iter().flatten());
        if ids.len() >= MAX_FRAMES {
            break;
        }
    }
    ids
}

/// The closed shadow roots of a target: frame (absent: the outermost) and node.
async fn closed_roots(connection: &mut Connection, session: &str) -> Result<Vec<(Option<String>, u64)>, Fault> {
    let document = connection.command(Some(session), "DOM.getDocument", json!({ "depth": -1, "pierce": true })).await?;
    let (mut roots, mut queue) = (Vec::new(), vec![(None, document.get("root").ok_or(Fault::Strange)?)]);
    while let Some((frame, node)) = queue.pop() {
        let frame: Option<&str> = frame;
        if is(node, "shadowRootType", "closed")
            && let Some(id) = node.get("backendNodeId").and_then(Value::as_u64)
        {
            roots.push((frame.map(str::to_owned), id));
        }
        let inner = |name: &str| node.get(name).and_then(Value::as_array).into_iter().flatten();
        queue.extend(inner("children").chain(inner("shadowRoots")).map(|node| (frame, node)));
        queue.extend(node.get("contentDocument").map(|inner| (node.get("frameId").and_then(Value::as_str), inner)));
        if roots.len() >= MAX_CLOSED_ROOTS {
            break;
        }
    }
    Ok(roots)
}

fn is(value: &Value, name: &str, wanted: &str) -> bool {
    value.get(name).and_then(Value::as_str) == Some(wanted)
}
