// Stands where a language model would: node examples/live/model.mjs [BROKER] [TOKENS_PER_SECOND]
import { setTimeout as pause } from "node:timers/promises";
import { connect, WeirError } from "../../clients/web/dist/client.js";

const [broker = "http://127.0.0.1:7780", perSecond = "20"] = process.argv.slice(2);
const live = connect(broker);
/** Who is being answered, and what ends that. */
const under = new Map();

const TEXT = `A weir is a low dam across a stream. It does not hold the water back for good: it lets
it pass, evenly, and keeps what comes too fast for a while. Upstream the water stands deep enough to
work with; downstream nothing is flooded. Boats pass by a lock, fish by a ladder, and whoever opens
the gate decides how much goes through.`;

/** Put the stream of a real model's tokens here. */
async function* generate() {
  for (const token of TEXT.replaceAll("\n", " ").match(/\S+\s*/g)) {
    await pause(1_000 / Number(perSecond));
    yield token;
  }
}

async function reply(id, question) {
  const stopping = new AbortController();
  under.set(id, stopping);
  let number = 0;
  for await (const token of generate(question)) {
    if (stopping.signal.aborted) break;
    await say(id, { number: number++, token });
  }
  await say(id, { end: true });
  under.delete(id);
}

/** Says it until the broker has it. What no answer came to may be there twice: tokens are numbered. */
async function say(id, value) {
  for (;;) {
    try {
      return await live.publish("talks", { key: id, value });
    } catch (error) {
      if (error instanceof WeirError && error.retry === "never") throw error;
      await pause(500);
    }
  }
}

const failed = (error) => console.error(error.message);
const talks = live.subscribe("talks");
talks.on("state", (state) => console.log(state));
for await (const { key, value } of talks) {
  if (value.question) reply(key, value.question).catch(failed);
  if (value.stop) under.get(key)?.abort();
}
