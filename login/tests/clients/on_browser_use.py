"""An agent on browser-use, attached all the time."""

import asyncio
import json
import os
import sys

os.environ["ANONYMIZED_TELEMETRY"] = "false"
os.environ["BROWSER_USE_LOGGING_LEVEL"] = "result"

from browser_use import BrowserSession  # noqa: E402


async def main() -> None:
    session = BrowserSession(cdp_url=sys.argv[1])
    await session.start()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        if command["name"] == "open":
            await session.navigate_to(command["url"], new_tab=True)
            await asyncio.sleep(0.3)
            result = session.agent_focus_target_id
        else:
            state = await session.get_browser_state_summary(include_screenshot=False)
            result = {"url": state.url, "title": state.title, "text": state.dom_state.llm_representation()}
        print("answer " + json.dumps({"result": result}), flush=True)
    await session.stop()


asyncio.run(main())
