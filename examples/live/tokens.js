// An answer that outlives its page: the model writes it to a topic, the page reads it from there.
import { connect } from "./client/client.js";

const broker = new URLSearchParams(location.search).get("broker") ?? `http://${location.hostname}:7780`;
const live = connect(broker);
const at = (id) => document.getElementById(id);
let answer;

/** Follows the talk that the address names, from its question on. */
async function follow(id) {
  answer?.close();
  at("question").hidden = at("answer").hidden = false;
  at("question").textContent = at("answer").textContent = "";
  at("answer").dataset.writing = "";
  at("stop").disabled = false;
  answer = live.subscribe("talks", { match: id, from: "earliest" });
  answer.on("state", (state) => {
    at("state").textContent = state === "closed" ? "idle" : state;
    at("state").dataset.state = state;
  });
  let tokens = 0;
  for await (const { value } of answer) {
    if (value.question) at("question").textContent = value.question;
    if (value.number === tokens) {
      at("answer").append(value.token);
      tokens += 1;
    }
    if (value.end) answer.close();
  }
  delete at("answer").dataset.writing;
  at("stop").disabled = true;
}

const tell = (problem) => (at("notice").textContent = problem.message);
const say = (id, value) => live.publish("talks", { key: id, value });
const idOf = () => location.hash.slice(1);
const followNamed = () => idOf() && follow(idOf()).catch(tell);

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { question } = event.target.elements;
  const id = crypto.randomUUID();
  try {
    await say(id, { question: question.value || question.placeholder });
    question.value = "";
    location.hash = id;
  } catch (problem) {
    tell(problem);
  }
});
// To leave is not to stop: whoever wants the model to stop says so.
at("stop").addEventListener("click", () => say(idOf(), { stop: true }).catch(tell));
addEventListener("hashchange", followNamed);
followNamed();
