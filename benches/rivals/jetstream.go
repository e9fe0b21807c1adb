package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stream is a work-queue stream in files, with one pull consumer that all workers share; each
// record is acknowledged on its own. Whether the server syncs each write is its configuration's.
type stream struct {
	url        string
	connection *nats.Conn
	jetstream  jetstream.JetStream
	consumer   jetstream.Consumer
	workers    []*nats.Conn
	working    []jetstream.ConsumeContext
}

const streamName, streamSubject, streamConsumer = "jobs", "jobs", "workers"

func openJetStream(at string) (Broker, error) {
	url := "nats://" + at
	connection, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(inFlight))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	_ = js.DeleteStream(ctx, streamName)
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name:      streamName,
		Subjects:  []string{streamSubject},
		Storage:   jetstream.FileStorage,
		Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		return nil, err
	}
	consumer, err := js.CreateConsumer(ctx, streamName, jetstream.ConsumerConfig{
		Durable:       streamConsumer,
		AckPolicy:     jetstream.AckExplicitPolicy,
		MaxAckPending: 64 * inFlight,
	})
	if err != nil {
		return nil, err
	}
	return &stream{url: url, connection: connection, jetstream: js, consumer: consumer}, nil
}

func (s *stream) Publish(record []byte, confirmed func(error)) {
	future, err := s.jetstream.PublishAsync(streamSubject, record)
	check(err)
	go func() {
		select {
		case <-future.Ok():
			confirmed(nil)
		case err := <-future.Err():
			confirmed(err)
		}
	}()
}

func (s *stream) Work(deliver func([]byte, func() error)) error {
	connection, err := nats.Connect(s.url)
	if err != nil {
		return err
	}
	s.workers = append(s.workers, connection)
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(context.Background(), streamName, streamConsumer)
	if err != nil {
		return err
	}
	working, err := consumer.Consume(func(message jetstream.Msg) {
		deliver(message.Data(), message.Ack)
	}, jetstream.PullMaxMessages(inFlight))
	s.working = append(s.working, working)
	return err
}

// Settled: the acknowledgements, which nobody answers, have come to the consumer. It writes what is
// acknowledged a little later, whatever the server's sync_interval says.
func (s *stream) Settled() error {
	for _, worker := range s.workers {
		if err := worker.Flush(); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		info, err := s.consumer.Info(context.Background())
		if err != nil {
			return err
		}
		if info.NumAckPending == 0 && info.NumPending == 0 {
			return nil
		}
	}
	return fmt.Errorf("acknowledgements do not come to the consumer")
}

func (s *stream) Close() {
	for at, working := range s.working {
		working.Stop()
		s.workers[at].Close()
	}
	s.connection.Close()
}
