//! What a client of `strongroom mcp` sends.

use serde_json::json;

/// What a client of `strongroom mcp` writes that lists the credentials.
pub fn mcp_session() -> String {
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "manage_credentials", "arguments": { "action": "list" } } }),
    ];
    messages.map(|message| format!("{message}\n")).concat()
}
