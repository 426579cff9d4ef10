"""instructor: fills a class, by a tool and by a schema."""

import os

import instructor
from openai import OpenAI
from pydantic import BaseModel, Field

URL, KEY = os.environ["DROPSIGHT_URL"], os.environ["DROPSIGHT_KEY"]


class Person(BaseModel):
    name: str = Field(min_length=1, description="The full name")
    age: int = Field(ge=0)


for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=90), mode=mode)
    person = client.chat.completions.create(
        model="gemini-3.8-flash",
        response_model=Person,
        messages=[{"role": "user", "content": "Ada Lovelace died at the age of 36."}],
    )
    assert isinstance(person, Person), mode
