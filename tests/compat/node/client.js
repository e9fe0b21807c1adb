// The family kafkajs: the verbs that each family has, see tests/compat/src/family.rs.

const fs = require('fs')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const snappy = require('snappy')
const lz4 = require('lz4-napi')
const zstd = require('@bokuweb/zstd-wasm')

// kafkajs brings gzip alone and takes the other codecs from whoever has them.

// What snappy-java writes around its blocks: magic, version, compatible version; then each block
// behind its length.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER_BYTES = 16

async function inflateSnappy(bytes) {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return snappy.uncompress(bytes)
  const blocks = []
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    blocks.push(await snappy.uncompress(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async encoder => snappy.compress(encoder.buffer),
  decompress: inflateSnappy,
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async bytes => lz4.decompressFrame(bytes),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async bytes => Buffer.from(zstd.decompress(bytes)),
})

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

const ACKS = { none: 0, leader: 1, all: -1, idempotent: -1 }

// Sends each line of the input, a record, to every target, `TOPIC=CODEC`.
async function produce(kafka, mode, ...targets) {
  const messages = lines().map(line => {
    const record = JSON.parse(line)
    return {
      partition: record.partition,
      timestamp: String(record.timestamp),
      key: decoded(record.key),
      value: decoded(record.value),
      headers: gathered(record.headers),
    }
  })
  const producer = kafka.producer({ idempotent: mode === 'idempotent' })
  await producer.connect()
  for (const target of targets) {
    const [topic, codec] = target.split('=')
    await producer.send({ topic, messages, acks: ACKS[mode], compression: CODECS[codec] })
    say('produced', topic, messages.length)
  }
  await producer.disconnect()
}

// kafkajs has the values of one header name together, under the name.
function gathered(headers) {
  const all = {}
  for (const [name, value] of headers) (all[name] ??= []).push(decoded(value))
  return all
}

// Prints all records of the topics, from their beginning to the end they have now.
async function consume(kafka, ...topics) {
  const admin = kafka.admin()
  await admin.connect()
  const left = new Map()
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (BigInt(low) < BigInt(high)) left.set(`${topic}/${partition}`, BigInt(high))
    }
  }
  await admin.disconnect()
  // kafkajs reads as a member of a group or not at all.
  const consumer = kafka.consumer({ groupId: `consume-${process.pid}` })
  await consumer.connect()
  await consumer.subscribe({ topics, fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    const eachMessage = async ({ topic, partition, message }) => {
      const headers = Object.entries(message.headers ?? {}).flatMap(([name, values]) =>
        [values].flat().map(value => [name, encoded(value)]))
      say(JSON.stringify({
        topic,
        partition,
        offset: Number(message.offset),
        timestamp: Number(message.timestamp),
        key: encoded(message.key),
        value: encoded(message.value),
        headers,
      }))
      const end = left.get(`${topic}/${partition}`)
      if (BigInt(message.offset) + 1n === end) left.delete(`${topic}/${partition}`)
      if (left.size === 0) resolve()
    }
    consumer.run({ autoCommit: false, eachMessage }).catch(reject)
  })
  await consumer.disconnect()
}

// Prints the names of all topics.
async function topics(kafka) {
  const admin = kafka.admin()
  await admin.connect()
  for (const name of await admin.listTopics()) say(name)
  await admin.disconnect()
}

// Sends each line of the input at once, idempotently, and says when it is acknowledged.
async function stream(kafka, topic) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const rl = require('readline').createInterface({ input: process.stdin })
  for await (const value of rl) {
    // A record without a key gets a partition anew at each try, under that partition's numbers:
    // kafkajs then stores it twice, and the next in the first partition is taken for it.
    await producer.send({ topic, messages: [{ key: value, value }] })
    say('acknowledged', value)
  }
  await producer.disconnect()
}

// Reads as a member of a group until the input ends; says what it has read and committed.
async function group(kafka, groupId, topic) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 300 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    say('assigned', ...[...(payload.memberAssignment[topic] ?? [])].sort((a, b) => a - b))
  })
  const eachBatch = async ({ batch, resolveOffset, commitOffsetsIfNecessary, heartbeat }) => {
    const offset = String(BigInt(batch.lastOffset()) + 1n)
    const { partition } = batch
    const partitions = [{ partition, offset }]
    await commitOffsetsIfNecessary({ topics: [{ topic, partitions }] })
    resolveOffset(batch.lastOffset())
    for (const { offset, value } of batch.messages) say('read', partition, offset, value)
    await heartbeat()
  }
  await consumer.run({ autoCommit: false, eachBatch })
  await new Promise(resolve => process.stdin.on('end', resolve).resume())
  await consumer.disconnect()
}

const lines = () => fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)
const decoded = text => (text === null ? null : Buffer.from(text, 'base64'))
// Header values come as text where kafkajs thinks that they are.
const encoded = value => (value === null ? null : Buffer.from(value).toString('base64'))
const say = (...words) => fs.writeSync(1, words.join(' ') + '\n')

async function main() {
  const [verb, address, ...rest] = process.argv.slice(2)
  await zstd.init()
  const retry = { initialRetryTime: 100, retries: 60, maxRetryTime: 1000 }
  const kafka = new Kafka({ brokers: [address], clientId: 'kafkajs', logLevel: logLevel.ERROR, retry })
  await { produce, consume, topics, stream, group }[verb](kafka, ...rest)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
