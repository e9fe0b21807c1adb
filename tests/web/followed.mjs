// The run that every reader must pass: 20,000 records, while the network is cut, and the broker is
// killed in the middle of being read from and in the middle of being written to.
import { Network } from "./broker.mjs";
import { PARTITIONS, Seen } from "./seen.mjs";

const RECORDS = 20_000;

/**
 * `follow(url, note)` follows the topic at `url` from its beginning, and answers with what ends
 * that; `note` throws what is wrong with a record, and so does this.
 */
export async function followed(broker, topic, follow) {
  await broker.createTopic(topic, PARTITIONS);
  const network = await Network.to(broker.listens.http);
  const seen = new Seen();
  let fail;
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => undefined);
  const note = (record) => {
    try {
      seen.note(record);
    } catch (error) {
      fail(error);
    }
  };
  const until = (count) => Promise.race([seen.reached(count), failed]);
  const publish = (from, to) => broker.publish(topic, from, to, PARTITIONS);
  const restart = async () => {
    await broker.kill();
    await broker.run();
  };
  await publish(0, 5_000);
  const stop = await follow(`${network.url}/v1/topics/${topic}/live?from=earliest`, note);
  try {
    await until(1_000);
    network.cut();
    await publish(5_000, 10_000);
    network.mend();
    await until(7_000);
    await restart();
    await until(10_000);
    await Promise.all([publish(10_000, RECORDS), until(12_000)]);
    await restart();
    await until(RECORDS);
    await publish(RECORDS, RECORDS + PARTITIONS);
    await until(RECORDS + PARTITIONS);
  } finally {
    await stop();
    network.close();
  }
}
