// The family franz-go: the verbs that each family has, see tests/compat/src/family.rs.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A record as the tests write it: keys, values and header values in base64, or null.
type record struct {
	Topic     string       `json:"topic,omitempty"`
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	Timestamp int64        `json:"timestamp"`
	Key       *string      `json:"key"`
	Value     *string      `json:"value"`
	Headers   [][2]*string `json:"headers"`
}

var ctx = context.Background()

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func main() {
	verb, address, rest := os.Args[1], os.Args[2], os.Args[3:]
	switch verb {
	case "produce":
		produce(address, rest[0], rest[1:])
	case "consume":
		consume(address, rest)
	case "topics":
		topics(address)
	case "stream":
		stream(address, rest[0])
	case "group":
		group(address, rest[0], rest[1])
	default:
		log.Fatal("no such verb: ", verb)
	}
}

// Sends each line of the input, a record, to every target, `TOPIC=CODEC`.
func produce(address, mode string, targets []string) {
	var records []record
	for input := json.NewDecoder(os.Stdin); ; {
		var next record
		if err := input.Decode(&next); err == io.EOF {
			break
		} else {
			check(err)
		}
		records = append(records, next)
	}
	for _, target := range targets {
		topic, codec, _ := strings.Cut(target, "=")
		client := connect(address, append(delivery(mode),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(codecs[codec]),
			kgo.ProducerBatchMaxBytes(1_000_000),
			kgo.ProducerLinger(20*time.Millisecond))...)
		var sent []*kgo.Record
		for _, record := range records {
			sent = append(sent, &kgo.Record{
				Topic:     topic,
				Partition: record.Partition,
				Timestamp: time.UnixMilli(record.Timestamp),
				Key:       decoded(record.Key),
				Value:     decoded(record.Value),
				Headers:   headers(record),
			})
		}
		check(client.ProduceSync(ctx, sent...).FirstErr())
		client.Close()
		say("produced", topic, len(sent))
	}
}

func delivery(mode string) []kgo.Opt {
	switch mode {
	case "none":
		return []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}
	case "leader":
		return []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}
	case "all":
		return []kgo.Opt{kgo.DisableIdempotentWrite()}
	default:
		return nil
	}
}

// Prints all records of the topics, from their beginning to the end they have now.
func consume(address string, topics []string) {
	client := connect(address)
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	check(err)
	check(ends.Error())
	client.Close()
	left := 0
	places := make(map[string]map[int32]kgo.Offset)
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset == 0 {
			return
		}
		left++
		if places[end.Topic] == nil {
			places[end.Topic] = make(map[int32]kgo.Offset)
		}
		places[end.Topic][end.Partition] = kgo.NewOffset().AtStart()
	})
	client = connect(address, kgo.ConsumePartitions(places), kgo.KeepControlRecords())
	defer client.Close()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(read *kgo.Record) {
			line := record{
				Topic:     read.Topic,
				Partition: read.Partition,
				Offset:    read.Offset,
				Timestamp: read.Timestamp.UnixMilli(),
				Key:       encoded(read.Key),
				Value:     encoded(read.Value),
				Headers:   [][2]*string{},
			}
			for _, header := range read.Headers {
				line.Headers = append(line.Headers, [2]*string{&header.Key, encoded(header.Value)})
			}
			text, err := json.Marshal(line)
			check(err)
			say(string(text))
			if end, _ := ends.Lookup(read.Topic, read.Partition); read.Offset+1 == end.Offset {
				left--
			}
		})
	}
}

// Prints the names of all topics.
func topics(address string) {
	client := connect(address)
	defer client.Close()
	listed, err := kadm.NewClient(client).ListTopics(ctx)
	check(err)
	check(listed.Error())
	for _, name := range listed.Names() {
		say(name)
	}
}

// Sends each line of the input at once, idempotently, and says when it is acknowledged.
func stream(address, topic string) {
	client := connect(address, kgo.DefaultProduceTopic(topic))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		value := lines.Text()
		client.Produce(ctx, kgo.StringRecord(value), func(_ *kgo.Record, err error) {
			check(err)
			say("acknowledged", value)
		})
	}
	check(client.Flush(ctx))
	client.Close()
}

// Reads as a member of a group until the input ends; says what it has read and committed.
func group(address, name, topic string) {
	client := connect(address,
		kgo.ConsumerGroup(name),
		kgo.ConsumeTopics(topic),
		kgo.Balancers(kgo.RangeBalancer()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			partitions := slices.Clone(got[topic])
			slices.Sort(partitions)
			say("assigned", strings.Trim(fmt.Sprint(partitions), "[]"))
		}))
	defer client.Close()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		default:
		}
		within, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		polled := client.PollFetches(within)
		cancel()
		if records := polled.Records(); len(records) > 0 && client.CommitRecords(ctx, records...) == nil {
			for _, read := range records {
				say("read", read.Partition, read.Offset, string(read.Value))
			}
		}
		client.AllowRebalance()
	}
}

func connect(address string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address))...)
	check(err)
	return client
}

func headers(record record) (all []kgo.RecordHeader) {
	for _, header := range record.Headers {
		all = append(all, kgo.RecordHeader{Key: *header[0], Value: decoded(header[1])})
	}
	return all
}

func decoded(text *string) []byte {
	if text == nil {
		return nil
	}
	value, err := base64.StdEncoding.DecodeString(*text)
	check(err)
	return value
}

func encoded(value []byte) *string {
	if value == nil {
		return nil
	}
	text := base64.StdEncoding.EncodeToString(value)
	return &text
}

var saying sync.Mutex

func say(words ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Println(words...)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
