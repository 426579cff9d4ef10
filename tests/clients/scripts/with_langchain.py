"""langchain-openai: a question, a stream, a structured answer, and a tool called with its result sent back."""

import os

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

URL, KEY = os.environ["DROPSIGHT_URL"], os.environ["DROPSIGHT_KEY"]
model = ChatOpenAI(base_url=f"{URL}/v1", api_key=KEY, model="gemini-3.8-flash", timeout=90)


class Place(BaseModel):
    """A place."""

    city: str


@tool
def weather(city: str) -> str:
    """Return the weather in a city."""
    return f"Rain in {city}."


assert model.invoke("Hello?").content
assert "".join(chunk.content for chunk in model.stream("Hello?"))
assert isinstance(model.with_structured_output(Place).invoke("Where is the Eiffel Tower?"), Place)
with_tools = model.bind_tools([weather], tool_choice="required")
messages = [HumanMessage("What is the weather in Ulm?")]
called = with_tools.invoke(messages)
assert called.tool_calls
messages += [
    called,
    *(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls),
]
assert model.bind_tools([weather]).invoke(messages)
