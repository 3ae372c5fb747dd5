//! An agent in a program of its own: commands go in, one a line of JSON; answers come out, one a line after `answer `.

use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub struct Program {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(command: std::process::Command) -> Self {
        let mut command = Command::from(command);
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take().unwrap(), output, _child: child }
    }

    pub async fn ask(&mut self, name: &str, mut parameters: Value) -> Value {
        parameters["name"] = name.into();
        self.input.write_all(format!("{parameters}\n").as_bytes()).await.unwrap();
        loop {
            let line = self.output.next_line().await.unwrap().expect("the agent's program has ended");
            let Some(answer) = line.strip_prefix("answer ") else { continue };
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!(answer.get("error"), None, "{name}");
            return answer["result"].clone();
        }
    }
}
