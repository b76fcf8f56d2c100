from flask import Flask, request

app = Flask(__name__)


@app.route("/")
def hello():
    return "hello from Flask"


@app.post("/echo")
def echo():
    return request.get_json()


if __name__ == "__main__":
    app.run()
