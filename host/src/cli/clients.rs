//! How the common MCP clients are told of this vault: what the first start and `strongroom token new` print.

use std::path::Path;
use strongroom_host::shell::quoted;

/// Configurations for a server at `url` and a token. `in_shell` is the token as it stands inside double quotes of a shell
/// line; in JSON and TOML the word TOKEN stands for it.
pub fn over_http(url: &str, in_shell: &str) -> String {
    let mcp = format!("{url}/mcp");
    let header = format!("\"Authorization: Bearer {in_shell}\"");
    format!(
        "  Claude Code     claude mcp add --transport http strongroom {mcp} --header {header}
  Gemini CLI      gemini mcp add --transport http strongroom {mcp} --header {header}
  Codex           codex mcp add strongroom --url {mcp} --bearer-token-env-var STRONGROOM_TOKEN
                  (and export STRONGROOM_TOKEN=\"{in_shell}\")
  Cursor          {{\"mcpServers\":{{\"strongroom\":{{\"url\":\"{mcp}\",\"headers\":{{\"Authorization\":\"Bearer TOKEN\"}}}}}}}}
  VS Code         {{\"servers\":{{\"strongroom\":{{\"type\":\"http\",\"url\":\"{mcp}\",\"headers\":{{\"Authorization\":\"Bearer TOKEN\"}}}}}}}}"
    )
}

/// Configurations that start this program themselves: no port, no token.
pub fn over_stdio(state: &Path, scopes: &str, project: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "strongroom".into());
    let mut words = vec!["mcp", "--scopes", scopes];
    if project != "default" {
        words.extend(["--project", project]);
    }
    words.push("--state-dir");
    let command = format!("{} {} {}", quoted(&program), words.join(" "), quoted(state));
    let arguments: Vec<_> = words.iter().copied().map(String::from).chain([state.display().to_string()]).collect();
    let mut json = serde_json::json!({ "command": program.display().to_string(), "args": arguments });
    let started = json.to_string();
    json["type"] = "stdio".into();
    format!(
        "  Claude Code     claude mcp add strongroom -- {command}
  Codex           codex mcp add strongroom -- {command}
  Gemini CLI      gemini mcp add strongroom {command}
  Claude Desktop  {{\"mcpServers\":{{\"strongroom\":{started}}}}}
  Cursor          the same
  VS Code         {{\"servers\":{{\"strongroom\":{json}}}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_printed_works_as_it_stands() {
        let http = over_http("http://127.0.0.1:3000", "$(cat /s/agent.token)");
        let stdio = over_stdio("/a b/state".as_ref(), "read,totp", "default");
        let readme = include_str!("../../../README.md");
        for line in over_http("http://127.0.0.1:3000", "$TOKEN").lines().filter(|line| !line.contains("export")) {
            assert!(readme.contains(&line[18..]), "README has no {line}");
        }
        for text in [&http, &stdio] {
            let json: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok()).collect();
            assert_eq!(json.len(), 2, "{text}");
        }
        assert!(
            http.contains(
                "strongroom http://127.0.0.1:3000/mcp --header \"Authorization: Bearer $(cat /s/agent.token)\""
            )
        );
        assert!(stdio.contains("mcp --scopes read,totp --state-dir '/a b/state'\n"), "{stdio}");
        assert!(stdio.contains(r#""args":["mcp","--scopes","read,totp","--state-dir","/a b/state"]"#), "{stdio}");
        let other = over_stdio("/s".as_ref(), "read", "crew");
        assert!(other.contains("mcp --scopes read --project crew --state-dir /s\n"), "{other}");
    }
}
