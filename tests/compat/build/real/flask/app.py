"""The application that a test builds an image of."""

from flask import Flask

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> dict[str, str]:
    return {"hello": name}
