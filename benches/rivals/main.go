// Other brokers' queues under load: published, delivered and acknowledged, told as one line of JSON.
//
//	rivals -broker rabbitmq|jetstream|redis -at ADDRESS [-workers 8] [-records 50000] [-bytes 100]
//	rivals -broker ... -rate 5000 -seconds 10
//
// Without a rate: all records are published and confirmed, then all are delivered and acknowledged;
// each has its own time. With a rate: both at once, and the time from when a record was due to be
// published until it was delivered. weir's own numbers come from `weir bench queue`.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// Broker is one of the rivals. A record is acknowledged by the delivery's own function.
type Broker interface {
	// Publish sends a record; confirmed is called once it is as safe as the broker makes it.
	Publish(record []byte, confirmed func(error))
	// Work delivers to one more worker, on a connection of its own, until the broker is closed.
	Work(deliver func(record []byte, ack func() error)) error
	// Settled waits until the broker has taken all acknowledgements that were sent.
	Settled() error
	Close()
}

// inFlight is how many records a publisher has under way, and how many a worker may hold.
const inFlight = 256

func open(broker, at string) (Broker, error) {
	switch broker {
	case "rabbitmq":
		return openRabbit(at)
	case "jetstream":
		return openJetStream(at)
	case "redis":
		return openRedis(at)
	}
	return nil, fmt.Errorf("no broker is called %q: rabbitmq, jetstream and redis are", broker)
}

func main() {
	name := flag.String("broker", "", "rabbitmq, jetstream or redis")
	at := flag.String("at", "", "where it listens")
	workers := flag.Int("workers", 8, "who take records")
	records := flag.Int("records", 50_000, "how many records")
	size := flag.Int("bytes", 100, "a record's length, at least 8")
	rate := flag.Int("rate", 0, "records a second; without it as fast as can be")
	seconds := flag.Int("seconds", 10, "how long is measured, where there is a rate")
	warmUp := flag.Int("warm-up", 1, "seconds that are published before that")
	flag.Parse()
	broker, err := open(*name, *at)
	check(err)
	defer broker.Close()
	var told any
	if *rate == 0 {
		told = flatOut(broker, *workers, *records, *size)
	} else {
		told = atRate(broker, *workers, pace{*rate, *warmUp * *rate, *seconds * *rate}, *size)
	}
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}
