package main

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbit publishes to a quorum queue with publisher confirms; workers acknowledge by hand, each
// record on its own.
type rabbit struct {
	url        string
	connection *amqp.Connection
	publisher  *amqp.Channel
	pending    chan func(error)
	workers    []*amqp.Connection
	working    []*amqp.Channel
}

const rabbitQueue = "jobs"

func openRabbit(at string) (Broker, error) {
	url := "amqp://guest:guest@" + at
	connection, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	quorum := amqp.Table{"x-queue-type": "quorum"}
	if _, err := channel.QueueDeclare(rabbitQueue, true, false, false, false, quorum); err != nil {
		return nil, err
	}
	if _, err := channel.QueuePurge(rabbitQueue, false); err != nil {
		return nil, err
	}
	if err := channel.Confirm(false); err != nil {
		return nil, err
	}
	pending := make(chan func(error), inFlight)
	broker := &rabbit{url: url, connection: connection, publisher: channel, pending: pending}
	// Confirms come in the order of the records.
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, inFlight))
	go func() {
		for confirm := range confirms {
			confirmed := <-broker.pending
			if confirm.Ack {
				confirmed(nil)
			} else {
				confirmed(fmt.Errorf("record %d was refused", confirm.DeliveryTag))
			}
		}
	}()
	return broker, nil
}

func (r *rabbit) Publish(record []byte, confirmed func(error)) {
	r.pending <- confirmed
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: record}
	check(r.publisher.Publish("", rabbitQueue, false, false, message))
}

func (r *rabbit) Work(deliver func([]byte, func() error)) error {
	connection, err := amqp.Dial(r.url)
	if err != nil {
		return err
	}
	r.workers = append(r.workers, connection)
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	r.working = append(r.working, channel)
	if err := channel.Qos(inFlight, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume(rabbitQueue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	go func() {
		for delivery := range deliveries {
			deliver(delivery.Body, func() error { return delivery.Ack(false) })
		}
	}()
	return nil
}

// Settled: a channel answers behind all that was said on it before. An acknowledgement itself is
// never answered, so that whether it is durable is not known; weir's are, when they are counted.
func (r *rabbit) Settled() error {
	for _, channel := range r.working {
		if _, err := channel.QueueDeclarePassive(rabbitQueue, true, false, false, false, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *rabbit) Close() {
	for _, worker := range r.workers {
		worker.Close()
	}
	r.connection.Close()
}
