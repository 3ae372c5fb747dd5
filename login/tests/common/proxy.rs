//! Between a program and the browser: the connection breaks off at one command, as it does when the program dies there.

use super::driver;
use futures_util::{SinkExt, StreamExt};
use std::sync::{Arc, Mutex};
use strongroom_login::Browser;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// When it breaks off.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    Never,
    /// Before the browser gets this command, counted from 0.
    Before(usize),
    /// When it has got this command; its answer reaches nobody.
    After(usize),
    /// When it has got the first command that holds this text.
    AfterThe(&'static str),
}

pub struct Proxy {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    commands: Vec<String>,
    has_cut: bool,
}

impl Proxy {
    /// For one connection to the browser on this port.
    pub async fn start(browser: u16, moment: Moment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        tokio::spawn(relay(listener, browser, moment, seen.clone()));
        Self { port, seen }
    }

    pub fn browser(&self) -> Browser {
        Browser::parse(&format!("ws://127.0.0.1:{}/devtools/browser/proxy", self.port)).unwrap()
    }

    /// The commands up to now.
    pub fn commands(&self) -> Vec<String> {
        self.seen.lock().unwrap().commands.clone()
    }

    /// Whether the moment came.
    pub fn has_cut(&self) -> bool {
        self.seen.lock().unwrap().has_cut
    }
}

async fn relay(listener: TcpListener, browser: u16, moment: Moment, seen: Arc<Mutex<Seen>>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut program = tokio_tungstenite::accept_async(stream).await.unwrap();
    let version = driver::get(browser, "/json/version").await;
    let stream = TcpStream::connect(("127.0.0.1", browser)).await.unwrap();
    let url = version["webSocketDebuggerUrl"].as_str().unwrap();
    let (mut browser, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    loop {
        tokio::select! {
            message = program.next() => {
                let Some(Ok(Message::Text(command))) = message else { return };
                let (before, after) = {
                    let mut seen = seen.lock().unwrap();
                    let number = seen.commands.len();
                    seen.commands.push(command.to_string());
                    let before = matches!(moment, Moment::Before(at) if at == number);
                    let after = match moment {
                        Moment::After(at) => at == number,
                        Moment::AfterThe(text) => command.contains(text),
                        Moment::Never | Moment::Before(_) => false,
                    };
                    seen.has_cut |= before || after;
                    (before, after)
                };
                if before || browser.send(Message::Text(command)).await.is_err() || after {
                    return;
                }
            }
            message = browser.next() => {
                let Some(Ok(message)) = message else { return };
                if program.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}
