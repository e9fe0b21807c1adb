package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// streams is a Redis stream with one group; workers read in batches and acknowledge each record,
// a batch's acknowledgements in one pipeline. Whether a write is synced is the server's
// configuration (appendfsync).
type streams struct {
	client  *redis.Client
	queued  chan queued
	closed  context.Context
	close   context.CancelFunc
	workers atomic.Int64
}

type queued struct {
	record    []byte
	confirmed func(error)
}

const redisStream, redisGroup = "jobs", "workers"

func openRedis(at string) (Broker, error) {
	client := redis.NewClient(&redis.Options{Addr: at, PoolSize: 64})
	closed, cancel := context.WithCancel(context.Background())
	if err := client.Del(closed, redisStream).Err(); err != nil {
		cancel()
		return nil, err
	}
	err := client.XGroupCreateMkStream(closed, redisStream, redisGroup, "0").Err()
	if err != nil {
		cancel()
		return nil, err
	}
	broker := &streams{client: client, queued: make(chan queued, inFlight), closed: closed, close: cancel}
	go broker.publish()
	return broker, nil
}

// publish sends what waits in one pipeline after another.
func (s *streams) publish() {
	for first := range s.queued {
		batch := []queued{first}
		for more := true; more && len(batch) < inFlight; {
			select {
			case next := <-s.queued:
				batch = append(batch, next)
			default:
				more = false
			}
		}
		pipe := s.client.Pipeline()
		for _, of := range batch {
			pipe.XAdd(s.closed, &redis.XAddArgs{Stream: redisStream, Values: []any{"v", of.record}})
		}
		_, err := pipe.Exec(s.closed)
		for _, of := range batch {
			of.confirmed(err)
		}
	}
}

func (s *streams) Publish(record []byte, confirmed func(error)) {
	s.queued <- queued{record, confirmed}
}

func (s *streams) Work(deliver func([]byte, func() error)) error {
	name := fmt.Sprintf("worker-%d", s.workers.Add(1))
	go func() {
		for s.closed.Err() == nil {
			read, err := s.client.XReadGroup(s.closed, &redis.XReadGroupArgs{
				Group: redisGroup, Consumer: name, Streams: []string{redisStream, ">"},
				Count: inFlight, Block: 0,
			}).Result()
			if s.closed.Err() != nil {
				return
			}
			check(err)
			for _, of := range read {
				s.deliver(of.Messages, deliver)
			}
		}
	}()
	return nil
}

func (s *streams) deliver(messages []redis.XMessage, deliver func([]byte, func() error)) {
	pipe := s.client.Pipeline()
	for _, message := range messages {
		pipe.XAck(s.closed, redisStream, redisGroup, message.ID)
	}
	var once sync.Once
	ack := func() (err error) {
		once.Do(func() { _, err = pipe.Exec(s.closed) })
		return err
	}
	for _, message := range messages {
		deliver([]byte(message.Values["v"].(string)), ack)
	}
}

// Settled: each pipeline of acknowledgements was answered, behind its sync.
func (s *streams) Settled() error { return nil }

func (s *streams) Close() {
	s.close()
	s.client.Close()
}
