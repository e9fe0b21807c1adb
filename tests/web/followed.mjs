// The run that every reader must pass: 20,000 records, while the network is cut, and the broker is
// killed in the middle of being read from and in the middle of being written to.
import { setTimeout as pause } from "node:timers/promises";
import { Network } from "./broker.mjs";
import { PARTITIONS, Seen } from "./seen.mjs";

const RECORDS = 20_000;
/** How long the network is away at least; ten seconds are `WEIR_CUT_MS=10000`. */
const CUT_MS = Number(process.env.WEIR_CUT_MS ?? 500);

/**
 * `follow(url, note)` follows the topic at `url` from its beginning, and answers with what ends
 * that; what is wrong with a record that is noted is thrown.
 */
export async function followed(broker, topic, follow) {
  await broker.createTopic(topic, PARTITIONS);
  const network = await Network.to(broker.listens.http);
  const seen = new Seen();
  const publish = (from, to) => broker.publish(topic, from, to, PARTITIONS);
  const restart = async () => {
    await broker.kill();
    await broker.run();
  };
  await publish(0, 5_000);
  const stop = await follow(`${network.url}/v1/topics/${topic}/live?from=earliest`, seen.note);
  try {
    await seen.reached(1_000);
    network.cut();
    await Promise.all([publish(5_000, 10_000), pause(CUT_MS)]);
    network.mend();
    await seen.reached(7_000);
    await restart();
    await seen.reached(10_000);
    await Promise.all([publish(10_000, RECORDS), seen.reached(12_000)]);
    await restart();
    await seen.reached(RECORDS);
    await publish(RECORDS, RECORDS + PARTITIONS);
    await seen.reached(RECORDS + PARTITIONS);
  } finally {
    await stop();
    network.close();
  }
}
